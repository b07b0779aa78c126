"""Call the CUDA runtime: what GPU and driver are here, and errors in words.

Every call of `cuda.bindings` returns an error code first; `checked` raises on it and returns the rest.
"""

from __future__ import annotations

from typing import Any

from edgeseg.errors import EngineError, MissingExtraError, NoDeviceError
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


def has_gpu() -> bool:
    """Whether there is a GPU that can be used, as far as the bindings are installed to tell."""
    try:
        device_name()
    except (NoDeviceError, MissingExtraError):
        return False
    return True


def driver_version() -> str:
    """Return the newest CUDA version that the driver runs, as `13.0`."""
    version = int(checked(runtime().cudaDriverGetVersion()))  # 1000 * major + 10 * minor
    return f"{version // 1000}.{version % 1000 // 10}"
