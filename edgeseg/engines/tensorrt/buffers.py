"""Own memory, streams and graphs of the CUDA runtime."""

from __future__ import annotations

import ctypes
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeseg.engines import cuda
from edgeseg.errors import EngineError


class Buffer:
    """An array on the GPU and its page-locked twin on the host, which copies reach without a detour.

    Attributes:
        host: the twin as an array; it lives as long as the buffer.
        device: address on the GPU.
    """

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        calls = cuda.runtime()
        self._bytes = max(int(np.prod(shape)) * dtype.itemsize, 1)
        self._host = cuda.checked(calls.cudaHostAlloc(self._bytes, calls.cudaHostAllocDefault))
        try:
            self.device: int = int(cuda.checked(calls.cudaMalloc(self._bytes)))
        except EngineError:
            calls.cudaFreeHost(self._host)
            raise
        block = (ctypes.c_uint8 * self._bytes).from_address(int(self._host))
        self.host: NDArray[Any] = np.ctypeslib.as_array(block).view(dtype).reshape(shape)

    def upload(self, stream: Any) -> None:
        """Queue the copy from host to GPU."""
        self._copy(self.device, self._host, "cudaMemcpyHostToDevice", stream)

    def download(self, stream: Any) -> None:
        """Queue the copy from GPU to host."""
        self._copy(self._host, self.device, "cudaMemcpyDeviceToHost", stream)

    def close(self) -> None:
        """Free both; `host` must not be used any more."""
        calls = cuda.runtime()
        calls.cudaFree(self.device)
        calls.cudaFreeHost(self._host)

    def _copy(self, target: Any, source: Any, direction: str, stream: Any) -> None:
        calls = cuda.runtime()
        kind = getattr(calls.cudaMemcpyKind, direction)
        cuda.checked(calls.cudaMemcpyAsync(target, source, self._bytes, kind, stream))


class Stream:
    """A queue of GPU work."""

    def __init__(self) -> None:
        self.handle: Any = cuda.checked(cuda.runtime().cudaStreamCreate())

    def synchronize(self) -> None:
        """Wait until all that was queued is done."""
        cuda.checked(cuda.runtime().cudaStreamSynchronize(self.handle))

    def close(self) -> None:
        """Free the queue."""
        cuda.runtime().cudaStreamDestroy(self.handle)


class Recording:
    """What is queued within the context, recorded instead of run: a CUDA graph, launched by one call."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._executable: Any = None

    def __enter__(self) -> Recording:
        calls = cuda.runtime()
        mode = calls.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal
        cuda.checked(calls.cudaStreamBeginCapture(self._stream.handle, mode))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        calls = cuda.runtime()
        # in any case: the stream must not stay captured
        failed, graph = calls.cudaStreamEndCapture(self._stream.handle)
        try:
            if error is None:
                cuda.checked((failed,))
                self._executable = cuda.checked(calls.cudaGraphInstantiate(graph, 0))
        finally:
            if int(failed) == 0:
                calls.cudaGraphDestroy(graph)

    def launch(self) -> None:
        """Queue the recorded work on its stream."""
        cuda.checked(cuda.runtime().cudaGraphLaunch(self._executable, self._stream.handle))

    def close(self) -> None:
        """Free the graph."""
        if self._executable is not None:
            cuda.runtime().cudaGraphExecDestroy(self._executable)
