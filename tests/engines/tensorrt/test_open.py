"""TensorRT's slots give back all they hold, whatever fails; the GPU is played by a fake."""
# ruff: noqa: N802, N815 - the names are CUDA's

from __future__ import annotations

import ctypes
import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from edgeseg.engines import cuda
from edgeseg.engines.tensorrt.open import TensorRTBackend
from edgeseg.errors import EngineError

OK, OUT_OF_MEMORY = 0, 2
SHAPES = {"image": (1, 2, 2, 3), "labels": (1, 2, 2), "scores": (1, 2)}
IMAGE = np.zeros((1, 2, 2, 3), np.uint8)


class FakeCuda:
    """What of CUDA slots use: allocation number `failing` is refused, and waits can be held up."""

    cudaHostAllocDefault = 0
    cudaStreamCaptureMode = SimpleNamespace(cudaStreamCaptureModeThreadLocal=0)
    cudaMemcpyKind = SimpleNamespace(cudaMemcpyHostToDevice=1, cudaMemcpyDeviceToHost=2)

    def __init__(self, failing: int | None = None) -> None:
        self._left = failing
        self._blocks: dict[int, Any] = {}
        self._next = 1
        self.held: list[tuple[str, int]] = []
        self.reached, self.go_on = threading.Event(), threading.Event()
        self.go_on.set()

    def _take(self, kind: str, handle: int | None = None) -> tuple[int, int | None]:
        if self._left is not None:
            self._left -= 1
            if self._left < 0:
                return OUT_OF_MEMORY, None
        self._next += 1
        handle = handle or self._next
        self.held.append((kind, handle))
        return OK, handle

    def _give(self, kind: str, handle: int) -> tuple[int]:
        self.held.remove((kind, handle))  # a ValueError if it was never taken, or is freed twice
        return (OK,)

    def cudaGetErrorString(self, error: int) -> tuple[int, bytes]:
        return OK, b"out of memory"

    def cudaHostAlloc(self, size: int, flags: int) -> tuple[int, int | None]:
        block = (ctypes.c_uint8 * size)()
        self._blocks[ctypes.addressof(block)] = block
        return self._take("host", ctypes.addressof(block))

    def cudaFreeHost(self, handle: int) -> tuple[int]:
        return self._give("host", handle)

    def cudaMalloc(self, size: int) -> tuple[int, int | None]:
        return self._take("device")

    def cudaFree(self, handle: int) -> tuple[int]:
        return self._give("device", handle)

    def cudaStreamCreate(self) -> tuple[int, int | None]:
        return self._take("stream")

    def cudaStreamDestroy(self, handle: int) -> tuple[int]:
        return self._give("stream", handle)

    def cudaStreamSynchronize(self, handle: int) -> tuple[int]:
        self.reached.set()
        assert self.go_on.wait(10)
        assert ("stream", handle) in self.held
        return (OK,)

    def cudaStreamBeginCapture(self, handle: int, mode: int) -> tuple[int]:
        return (OK,)

    def cudaStreamEndCapture(self, handle: int) -> tuple[int, int | None]:
        return self._take("graph")

    def cudaGraphDestroy(self, handle: int) -> tuple[int]:
        return self._give("graph", handle)

    def cudaGraphInstantiate(self, graph: int, flags: int) -> tuple[int, int | None]:
        return self._take("executable")

    def cudaGraphExecDestroy(self, handle: int) -> tuple[int]:
        return self._give("executable", handle)

    def cudaGraphLaunch(self, executable: int, stream: int) -> tuple[int]:
        assert ("executable", executable) in self.held
        return (OK,)

    def cudaMemcpyAsync(self, *_: Any) -> tuple[int]:
        return (OK,)


class FakeEngine:
    """An engine with one input and two outputs; every run of it succeeds, unless `runs` says otherwise."""

    num_io_tensors = len(SHAPES)

    def __init__(self, *, runs: bool = True) -> None:
        self._runs = runs

    def get_tensor_name(self, index: int) -> str:
        return list(SHAPES)[index]

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return SHAPES[name]

    def get_tensor_dtype(self, name: str) -> type:
        return np.uint8

    def get_tensor_mode(self, name: str) -> str:
        return "in" if name == "image" else "out"

    def create_execution_context(self) -> Any:
        return SimpleNamespace(set_tensor_address=lambda *_: True, execute_async_v3=lambda _: self._runs)


LIBRARY = SimpleNamespace(nptype=lambda dtype: dtype, TensorIOMode=SimpleNamespace(INPUT="in"))


def opened(fake: FakeCuda, monkeypatch: pytest.MonkeyPatch, *, runs: bool = True) -> TensorRTBackend:
    monkeypatch.setattr(cuda, "runtime", lambda: fake)
    return TensorRTBackend(FakeEngine(runs=runs), LIBRARY, 2, {})


def test_closing_gives_back_all(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeCuda()
    backend = opened(fake, monkeypatch)
    assert {name: output.shape for name, output in backend.infer(IMAGE).items()} == {
        name: shape for name, shape in SHAPES.items() if name != "image"
    }
    backend.close()
    backend.close()
    assert fake.held == []
    with pytest.raises(EngineError, match="the engine is closed"):
        backend.infer(IMAGE)


@pytest.mark.parametrize("failing", range(18))
def test_what_cannot_be_opened_holds_nothing(failing: int, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeCuda(failing)  # a slot takes a stream, three buffers twice over, a graph and its executable
    with pytest.raises(EngineError, match="CUDA failed: out of memory"):
        opened(fake, monkeypatch)
    assert fake.held == []


def test_an_engine_that_does_not_run_holds_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeCuda()
    with pytest.raises(EngineError, match="cannot run the engine"):
        opened(fake, monkeypatch, runs=False)
    assert fake.held == []


def test_closing_frees_no_slot_in_use(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeCuda()
    backend = opened(fake, monkeypatch)
    fake.reached.clear()
    fake.go_on.clear()
    with ThreadPoolExecutor(4) as pool:
        running = [pool.submit(backend.infer, IMAGE) for _ in range(2)]
        assert fake.reached.wait(10)
        closing = pool.submit(backend.close)
        fake.go_on.set()
        closing.result(10)
        errors = [future.exception(10) for future in running]
    assert fake.held == []
    assert all(error is None or "the engine is closed" in str(error) for error in errors)
    assert None in errors  # the one that had reached the GPU
