"""What builder and runtime share of TensorRT and TensorRT for RTX: names, import, and a quiet logger."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgeseg.extras import require
from edgeseg.spec import BackendName

TITLES: Mapping[BackendName, str] = {"tensorrt": "TensorRT", "tensorrt_rtx": "TensorRT for RTX"}
_EXTRAS: Mapping[BackendName, str] = {"tensorrt": "tensorrt", "tensorrt_rtx": "tensorrt-rtx"}
_KEPT_ERRORS = 8


def import_library(backend: BackendName) -> Any:
    """Import the module, whose name is the backend's.

    Raises:
        MissingExtraError: if it, or a library that it loads, is not installed.
    """
    return require(backend, _EXTRAS[backend], attribute="Builder")  # type stubs alone have no Builder


def quiet_logger(library: Any) -> Any:
    """Make a logger that prints nothing and keeps the last errors; `last_error()` gives the newest."""

    class Logger(library.ILogger):  # type: ignore[misc]  # its base is known when the library is
        def __init__(self) -> None:
            library.ILogger.__init__(self)
            self.errors: list[str] = []

        def log(self, severity: Any, message: str) -> None:
            if severity in (library.Logger.INTERNAL_ERROR, library.Logger.ERROR):
                self.errors = [*self.errors, message.splitlines()[0]][-_KEPT_ERRORS:]

        def last_error(self) -> str:
            return self.errors[-1] if self.errors else "it gives no reason"

    return Logger()
