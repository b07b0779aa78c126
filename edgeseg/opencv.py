"""OpenCV, imported at its first use; where it is not installed, that says which command installs it."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from edgeseg.extras import require

if TYPE_CHECKING:
    import cv2

__all__ = ["EXTRA", "cv2", "is_installed", "load"]

EXTRA = "media"
"""The extra that installs OpenCV and PyAV, each of them larger than ONNX Runtime."""


class _AtFirstUse:
    """Stands for the module."""

    def __getattr__(self, name: str) -> Any:
        return getattr(_module(), name)


if not TYPE_CHECKING:
    cv2 = _AtFirstUse()


@cache
def _module() -> Any:
    return require("cv2", EXTRA)


@cache
def is_installed() -> bool:
    """Whether OpenCV can be found; it is not imported."""
    return find_spec("cv2") is not None


def load() -> None:
    """Import it now, if it is installed, and not while a camera's first frame waits: it takes 0.1 s."""
    if is_installed():
        _module()
