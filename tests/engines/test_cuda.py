"""What GPU and driver are here, and errors in CUDA's own words."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import pytest

from edgeseg.engines import cuda
from edgeseg.errors import EngineError, NoDeviceError
from tests.engines.tensorrt.fake_cuda import FakeCuda


def installed(monkeypatch: pytest.MonkeyPatch, fake: Any) -> None:
    monkeypatch.setitem(sys.modules, "cuda.bindings.runtime", fake)


@pytest.mark.parametrize("name", [b"NVIDIA Orin", "NVIDIA Orin"])
def test_the_gpu_has_a_name_and_a_compute_capability(
    name: bytes | str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = FakeCuda()
    properties = SimpleNamespace(name=name, major=8, minor=7)
    monkeypatch.setattr(fake, "cudaGetDeviceProperties", lambda device: (0, properties))
    installed(monkeypatch, fake)
    assert cuda.device_name() == "NVIDIA Orin, 8.7"
    assert cuda.driver_version() == "13.0"


@pytest.mark.parametrize(
    ("found", "said"), [((100, None), "no CUDA-capable device is detected"), ((0, 0), "no device")]
)
def test_without_a_gpu_it_is_said_why(
    found: tuple[int, int | None], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = FakeCuda()
    monkeypatch.setattr(fake, "cudaGetDeviceCount", lambda: found)
    installed(monkeypatch, fake)
    with pytest.raises(NoDeviceError, match=rf"no NVIDIA GPU can be used here \({said}\)"):
        cuda.device_name()


def test_a_call_that_fails_says_so_in_cudas_words(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, FakeCuda())
    with pytest.raises(EngineError, match=r"CUDA failed: out of memory \(error 2\)"):
        cuda.checked((2, None))
    assert cuda.checked((0,)) == ()
    assert cuda.checked((0, 5)) == 5
    assert cuda.checked((0, 5, 6)) == (5, 6)
