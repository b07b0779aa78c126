"""Run engines on frames: the device's side, which needs numpy, OpenCV and one engine library."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edgeseg.runtime.crf.instances import InstanceRefinement
    from edgeseg.runtime.crf.refinement import Refinement
    from edgeseg.runtime.engine import Engine
    from edgeseg.runtime.fake import FakeBackend
    from edgeseg.runtime.pipeline import stream
    from edgeseg.runtime.results import InstanceResult, MaskCrop, SemanticResult
    from edgeseg.runtime.segmenter import Segmenter

_HOMES = {
    "Engine": "engine",
    "FakeBackend": "fake",
    "InstanceRefinement": "crf.instances",
    "InstanceResult": "results",
    "MaskCrop": "results",
    "Refinement": "crf.refinement",
    "Segmenter": "segmenter",
    "SemanticResult": "results",
    "stream": "pipeline",
}
__all__ = [
    "Engine",
    "FakeBackend",
    "InstanceRefinement",
    "InstanceResult",
    "MaskCrop",
    "Refinement",
    "Segmenter",
    "SemanticResult",
    "stream",
]


def __getattr__(name: str) -> Any:
    """Import a public name at its first use, so that this package alone loads neither cv2 nor an engine."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
