"""Keep the kernels that TensorRT for RTX compiles for a GPU: an engine opens faster the second time."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgeseg.errors import EngineError
from edgeseg.files import write_whole
from edgeseg.reading import read_bytes

if TYPE_CHECKING:
    import tensorrt as trt


class KernelCache:
    """The kernels of one engine, in a file that the library itself checks against GPU, driver and version.

    Args:
        engine: of TensorRT for RTX.
        path: read if it exists; a file that does not fit this machine is ignored, and replaced by `save`.
    """

    def __init__(self, engine: Any, path: Path) -> None:
        self._engine = engine
        self._path = path
        self._config = engine.create_runtime_config()
        self._kernels = self._config.create_runtime_cache()
        self._known = b""
        with suppress(OSError):
            known = read_bytes(path)
            self._known = known if self._kernels.deserialize(known) else b""
        self._config.set_runtime_cache(self._kernels)

    def create_context(self) -> trt.IExecutionContext | None:
        """Make an execution context that takes its kernels from the cache, and adds to it."""
        context: trt.IExecutionContext | None = self._engine.create_execution_context(self._config)
        return context

    def save(self) -> None:
        """Write the file if there is something new; where that fails, the next opening compiles again."""
        serialized = self._kernels.serialize()
        if serialized is None or (kernels := bytes(serialized)) == self._known:
            return
        try:
            write_whole(self._path, kernels, EngineError)
        except EngineError:
            return
        self._known = kernels
