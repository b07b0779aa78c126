"""Turn a portable model into an engine on the device itself: one module a backend, no torch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from numpy.typing import NDArray

from edgeseg.bundle import Manifest


class Runner(Protocol):
    """An opened engine: what the runtime's backends are, seen from the builder."""

    def infer(self, image: NDArray[Any], /) -> dict[str, NDArray[Any]]:
        """Run one batch of uint8 (N, H, W, 3) images and return the outputs by name."""
        ...

    def close(self) -> None:
        """Free what the engine holds."""
        ...


OpenEngine = Callable[[Path, Manifest], Runner]
"""Opens the engine in a folder. The command line passes the runtime's own, so that what is measured
and proven at build time is the very code that runs on the device."""
