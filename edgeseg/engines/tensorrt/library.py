"""What building and running share of TensorRT and TensorRT for RTX: the import, and a quiet logger."""

from __future__ import annotations

from typing import Any

from edgeseg.engines.registry import facts_of
from edgeseg.extras import require

_KEPT_ERRORS = 8


def import_library(backend: str) -> Any:
    """Import the library of one of the two backends.

    Raises:
        MissingExtraError: if it, or a library that it loads, is not installed.
    """
    facts = facts_of(backend)
    return require(facts.modules[0], facts.extra, attribute="Builder")  # type stubs alone have no Builder


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
