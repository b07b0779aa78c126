"""A machine with a GPU: fakes of CUDA and of both TensorRT libraries in place of what is installed."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterator

import pytest

from .fake_cuda import FakeCuda
from .fake_tensorrt import library


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[FakeCuda], FakeCuda]]:
    """Put a fake in place of the libraries; at the test's end, none of them may have been misused."""
    fakes: list[FakeCuda] = []

    def put(fake: FakeCuda) -> FakeCuda:
        fakes.append(fake)
        monkeypatch.setitem(sys.modules, "cuda.bindings.runtime", fake)
        for name in ("tensorrt", "tensorrt_rtx"):
            monkeypatch.setitem(sys.modules, name, library(fake))
        return fake

    yield put
    gc.collect()
    assert [fault for fake in fakes for fault in fake.faults] == []


@pytest.fixture
def gpu(install: Callable[[FakeCuda], FakeCuda]) -> FakeCuda:
    """A GPU on which nothing fails."""
    return install(FakeCuda())
