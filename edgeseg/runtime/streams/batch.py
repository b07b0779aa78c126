"""Put frames of several streams into one batch of an engine, and give each its part of the outputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgeseg.frames.geometry import Placement
from edgeseg.frames.preprocess import Prepared
from edgeseg.runtime.frame import Frame
from edgeseg.runtime.profiling.timing import MS_PER_S

if TYPE_CHECKING:
    from edgeseg.runtime.engine import Engine
    from edgeseg.runtime.segmenter import Segmenter
    from edgeseg.runtime.streams.stream import Stream


@dataclass(eq=False)
class Item:
    """One frame on its way through the engine.

    Attributes:
        stream: that it belongs to.
        segmenter: that prepares and finishes it, also where the stream has another by then.
        began_s: `time.monotonic()` from which its latency counts.
        placement: where it lies in its images.
        images: its part of the batch, (K, H, W, C).
        outputs: of its images, (K, ...) each: a part of the batch's outputs, which nothing else writes to.
        stages_ms: what each stage took so far.
    """

    stream: Stream
    segmenter: Segmenter
    frame: Frame
    began_s: float
    placement: Placement | None = None
    images: slice = field(default_factory=lambda: slice(0))
    outputs: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    stages_ms: dict[str, float] = field(default_factory=dict)

    def note(self, stage: str, took_s: float) -> None:
        """Record what a stage took, for the frame and for the stream."""
        self.stream.times.add(stage, took_s)
        self.stages_ms[stage] = MS_PER_S * took_s


class Batch:
    """The images of one inference. It owns its buffer, which is used again for the next frames.

    Args:
        shape: (N, H, W, C) of what the engine takes at once; the buffer grows if one frame has more tiles.
        dtype: of its numbers.

    Attributes:
        engine: that it is for; None where its maker knows.
    """

    def __init__(self, shape: tuple[int, ...], dtype: str = "uint8") -> None:
        self.engine: Engine | None = None
        self.items: list[Item] = []
        self._buffer = np.zeros(shape, dtype)
        self._count = 0

    @classmethod
    def of(cls, engine: Engine) -> Batch:
        """Make one for an engine."""
        batch = cls(engine.batch_shape, engine.spec.input.dtype)
        batch.engine = engine
        return batch

    @property
    def images(self) -> NDArray[Any]:
        """The images that are in it, (n, H, W, C)."""
        return self._buffer[: self._count]

    def clear(self) -> None:
        """Begin anew."""
        self.items = []
        self._count = 0

    def add(self, item: Item, prepared: Prepared) -> None:
        """Copy a frame's images (K, H, W, C) behind the others: they are overwritten by the next frame's."""
        end = self._count + len(prepared.image)
        if end > len(self._buffer):
            grown = np.zeros((end, *self._buffer.shape[1:]), self._buffer.dtype)
            grown[: self._count] = self.images
            self._buffer = grown
        self._buffer[self._count : end] = prepared.image
        item.placement, item.images = prepared.placement, slice(self._count, end)
        self.items.append(item)
        self._count = end

    def split(self, outputs: Mapping[str, NDArray[Any]]) -> list[Item]:
        """Give each item its part of the outputs (n, ...), and give them all out of hand."""
        for item in self.items:
            item.outputs = {name: value[item.images] for name, value in outputs.items()}
        return self.items
