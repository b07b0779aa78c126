"""What this machine can do at best."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgeseg.engines import registry
from edgeseg.runtime.profiling import ceilings
from edgeseg.runtime.profiling.ceilings import copy_gbs, measure_ceilings

MIB = 1 << 20


class Layers:
    """A backend that multiplies in fp32 alone."""

    @staticmethod
    def gemm_gflops(precision: str, *, device: str, threads: int) -> float | None:
        return 50.0 * threads if precision == "fp32" else None


@pytest.fixture
def backend(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "part_of", lambda backend, part: Layers)
    monkeypatch.setattr(ceilings, "_size", lambda: MIB)


@pytest.mark.parametrize("threads", [1, 2])
def test_a_copy_has_a_rate_with_any_number_of_threads(threads: int) -> None:
    assert copy_gbs(threads, size=MIB + 1) > 0


@pytest.mark.usefixtures("backend")
def test_precisions_without_a_product_are_left_out() -> None:
    found = measure_ceilings("onnxruntime", {"fp32", "int8"}, threads=2)
    assert found is not None
    assert found.gemm_gflops == {"fp32": 100.0}
    assert found.copy_gbs > 0
    assert found.threads == 2
    assert found.surroundings is not None
    assert found.surroundings.samples >= 2


@pytest.mark.usefixtures("backend")
def test_a_device_whose_memory_is_not_measured_has_no_ceilings() -> None:
    assert measure_ceilings("onnxruntime", {"fp32"}, device="cuda") is None


@pytest.mark.parametrize(
    ("sizes", "free", "expected"),
    [
        (["32K", "2M", "32768K"], 64 << 30, 128 * MIB),  # four times the largest
        ([], None, 64 * MIB),
        (["1G"], 64 << 30, 256 * MIB),
        (["32M"], 400 * MIB, 50 * MIB),  # both arrays in a quarter of what is free
    ],
)
def test_arrays_are_far_above_the_caches_and_far_below_memory(
    sizes: list[str], free: int | None, expected: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for index, size in enumerate(sizes):
        (tmp_path / f"index{index}").mkdir()
        (tmp_path / f"index{index}" / "size").write_text(f"{size}\n")
    monkeypatch.setattr(ceilings, "CACHES", tmp_path)
    monkeypatch.setattr(ceilings, "available_bytes", lambda: free)
    assert ceilings._size() == expected
