"""Run engines on frames: the device's side, which needs numpy and one engine library."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgeseg.lazy import public_names

if TYPE_CHECKING:
    from edgeseg.frames.results import InstanceResult, MaskCrop, SemanticResult
    from edgeseg.runtime.crf.instances import InstanceRefinement
    from edgeseg.runtime.crf.refinement import Refinement
    from edgeseg.runtime.engine import Engine
    from edgeseg.runtime.fake import FakeBackend
    from edgeseg.runtime.pipeline import stream
    from edgeseg.runtime.segmenter import Segmenter
    from edgeseg.runtime.streams.stream import Stream
    from edgeseg.runtime.streams.streams import Streams
    from edgeseg.runtime.tiles.tiling import Tiling

_HOMES = {
    "Engine": "edgeseg.runtime.engine",
    "FakeBackend": "edgeseg.runtime.fake",
    "InstanceRefinement": "edgeseg.runtime.crf.instances",
    "InstanceResult": "edgeseg.frames.results",
    "MaskCrop": "edgeseg.frames.results",
    "Refinement": "edgeseg.runtime.crf.refinement",
    "Segmenter": "edgeseg.runtime.segmenter",
    "SemanticResult": "edgeseg.frames.results",
    "Stream": "edgeseg.runtime.streams.stream",
    "Streams": "edgeseg.runtime.streams.streams",
    "Tiling": "edgeseg.runtime.tiles.tiling",
    "stream": "edgeseg.runtime.pipeline",
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
    "Stream",
    "Streams",
    "Tiling",
    "stream",
]

__getattr__ = public_names(__name__, _HOMES)
