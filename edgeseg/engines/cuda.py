"""Turn calls of the CUDA runtime into buffers, streams and graphs with an owner, and errors in words.

Every call of `cuda.bindings` returns an error code first; `checked` raises on it and returns the rest.
"""

from __future__ import annotations

import ctypes
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeseg.errors import EngineError, NoDeviceError
from edgeseg.extras import require

EXTRA = "tensorrt"  # the extra of edgeseg that brings cuda-bindings


def runtime() -> Any:
    """Import the CUDA runtime's bindings; they load without a driver."""
    return require("cuda.bindings.runtime", EXTRA)


def checked(result: tuple[Any, ...]) -> Any:
    """Return what a call gave besides its error code.

    Raises:
        EngineError: with CUDA's own words, if it failed.
    """
    error, *values = result
    if int(error) != 0:
        _, text = runtime().cudaGetErrorString(error)
        raise EngineError(f"CUDA failed: {text.decode()} (error {int(error)})")
    return values[0] if len(values) == 1 else tuple(values)


def device_name() -> str:
    """Name the GPU and its compute capability, as `NVIDIA RTX A2000, 8.6`.

    Raises:
        NoDeviceError: if there is no GPU, or no driver for it.
    """
    cuda = runtime()
    error, count = cuda.cudaGetDeviceCount()
    if int(error) != 0 or not count:
        _, text = cuda.cudaGetErrorString(error)
        detail = text.decode() if int(error) else "no device"
        raise NoDeviceError(f"no NVIDIA GPU can be used here ({detail}); see nvidia-smi")
    properties = checked(cuda.cudaGetDeviceProperties(checked(cuda.cudaGetDevice())))
    name = properties.name.decode() if isinstance(properties.name, bytes) else str(properties.name)
    return f"{name}, {properties.major}.{properties.minor}"


def driver_version() -> str:
    """Return the newest CUDA version that the driver runs, as `13.0`."""
    version = int(checked(runtime().cudaDriverGetVersion()))  # 1000 * major + 10 * minor
    return f"{version // 1000}.{version % 1000 // 10}"


class Buffer:
    """An array on the GPU and its page-locked twin on the host, which copies reach without a detour.

    Attributes:
        host: the twin as an array; it lives as long as the buffer.
        device: address on the GPU.
    """

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        cuda = runtime()
        self._bytes = max(int(np.prod(shape)) * dtype.itemsize, 1)
        self._host = checked(cuda.cudaHostAlloc(self._bytes, cuda.cudaHostAllocDefault))
        try:
            self.device: int = int(checked(cuda.cudaMalloc(self._bytes)))
        except EngineError:
            cuda.cudaFreeHost(self._host)
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
        cuda = runtime()
        cuda.cudaFree(self.device)
        cuda.cudaFreeHost(self._host)

    def _copy(self, target: Any, source: Any, direction: str, stream: Any) -> None:
        cuda = runtime()
        kind = getattr(cuda.cudaMemcpyKind, direction)
        checked(cuda.cudaMemcpyAsync(target, source, self._bytes, kind, stream))


class Stream:
    """A queue of GPU work; a context manager."""

    def __init__(self) -> None:
        self.handle: Any = checked(runtime().cudaStreamCreate())

    def synchronize(self) -> None:
        """Wait until all that was queued is done."""
        checked(runtime().cudaStreamSynchronize(self.handle))

    def close(self) -> None:
        """Free the queue."""
        runtime().cudaStreamDestroy(self.handle)


class Recording:
    """What is queued within the context, recorded instead of run: a CUDA graph, launched by one call."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._executable: Any = None

    def __enter__(self) -> Recording:
        cuda = runtime()
        mode = cuda.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal
        checked(cuda.cudaStreamBeginCapture(self._stream.handle, mode))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        cuda = runtime()
        # in any case: the stream must not stay captured
        failed, graph = cuda.cudaStreamEndCapture(self._stream.handle)
        try:
            if error is None:
                checked((failed,))
                self._executable = checked(cuda.cudaGraphInstantiate(graph, 0))
        finally:
            if int(failed) == 0:
                cuda.cudaGraphDestroy(graph)

    def launch(self) -> None:
        """Queue the recorded work on its stream."""
        checked(runtime().cudaGraphLaunch(self._executable, self._stream.handle))

    def close(self) -> None:
        """Free the graph."""
        if self._executable is not None:
            runtime().cudaGraphExecDestroy(self._executable)
