"""Compiled kernels are kept from one opening to the next. The library is a fake: the real one wants a GPU."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgeseg.engines.tensorrt_rtx.kernel_cache import KernelCache


class Library:
    """Engine, configuration and cache at once; every context compiles one kernel that is not known."""

    def __init__(self, gpu: bytes) -> None:
        self.gpu = gpu
        self.kernels = b""
        self.compiled = 0

    def create_runtime_config(self) -> Library:
        return self

    def create_runtime_cache(self) -> Library:
        return self

    def set_runtime_cache(self, cache: Library) -> bool:
        return cache is self

    def deserialize(self, blob: bytes) -> bool:
        fits = blob.startswith(self.gpu)
        self.kernels = blob if fits else b""
        return fits

    def serialize(self) -> bytes:
        return self.kernels

    def create_execution_context(self, config: Library) -> Library:
        if not config.kernels:
            self.compiled += 1
            self.kernels = self.gpu + b" kernel"
        return self


def opened(gpu: bytes, path: Path) -> int:
    library = Library(gpu)
    cache = KernelCache(library, path)
    assert cache.create_context() is library
    cache.save()
    return library.compiled


def test_the_second_opening_compiles_nothing(tmp_path: Path) -> None:
    path = tmp_path / "cache" / "kernels"
    assert [opened(b"one", path) for _ in range(2)] == [1, 0]


def test_kernels_of_another_gpu_are_compiled_again_and_replaced(tmp_path: Path) -> None:
    path = tmp_path / "kernels"
    assert [opened(gpu, path) for gpu in (b"one", b"other", b"other")] == [1, 1, 0]


def test_a_folder_that_cannot_be_written_costs_time_alone(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    assert opened(b"one", tmp_path / "file" / "kernels") == 1


def test_kernels_that_the_library_does_not_give_cost_time_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Library, "serialize", lambda self: None)
    assert [opened(b"one", tmp_path / "kernels") for _ in range(2)] == [1, 1]
    assert not (tmp_path / "kernels").exists()
