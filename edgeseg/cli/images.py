"""Turn images from any source into arrays of a network's size, prepared as the runtime prepares frames."""

from __future__ import annotations

from itertools import islice, pairwise
from pathlib import Path
from typing import Any, Generic, TypeVar

import click
import numpy as np
from numpy.typing import NDArray

from edgeseg.spec import InputSpec

MAX_IMAGES = 8  # enough to prove parity; more only take time and memory
CALIBRATION_IMAGES = 64  # beyond some dozens, ranges hardly move

Item = TypeVar("Item")


def read_images(path: Path, spec: InputSpec, *, most: int = MAX_IMAGES) -> NDArray[Any]:
    """Read images of a folder (or one image, or a video) as the network will see them.

    What could not be read, and what was read in an unexpected way, is told on stderr.

    Returns:
        (M, H, W, C) of the input's type, 1 <= M <= `most`: spread evenly over the time of a recording, or the
        files of a folder; of a source that never ends the first ones.

    Raises:
        SourceError: if there is none that can be read.
    """
    from edgeseg.frames.preprocess import Preprocessor
    from edgeseg.runtime.sources import open_source
    from edgeseg.runtime.streams.losses import no_frames

    prepare = Preprocessor(spec)
    spread = Spread[NDArray[Any]](most)
    with open_source(path, spec) as source:
        endless = source.frame_count is None and not source.files
        for frame in islice(source, most if endless else None):
            position = float(frame.index) if frame.media_s is None else frame.media_s
            if spread.wants(position):
                spread.add(position, prepare(frame.image).image.copy())
        if not spread.items:
            raise no_frames(source)
        for kind, lines in (("note", source.notes), ("skipped", source.skipped)):
            for line in lines:
                click.echo(f"{kind}: {line}", err=True)
    return np.concatenate(spread.chosen())


class Spread(Generic[Item]):
    """At most so many items of a sequence of unknown length, spread evenly over their positions.

    Up to twice as many are kept meanwhile; whatever the positions, none of `most` is missing in the end if
    there were that many.
    """

    def __init__(self, most: int) -> None:
        self.items: list[tuple[float, Item]] = []
        self._most = most
        self._apart = 0.0  # the least distance of an item from the one before

    def wants(self, position: float) -> bool:
        """Whether an item there is to be added."""
        return not self.items or position - self.items[-1][0] >= self._apart

    def add(self, position: float, item: Item) -> None:
        """Keep an item; positions do not fall."""
        self.items.append((position, item))
        if len(self.items) > 2 * self._most:
            self._thin(self._most)
            gaps = [b[0] - a[0] for a, b in pairwise(self.items)]
            self._apart = min(gaps, default=0.0)

    def chosen(self) -> list[Item]:
        """Give the items, at most so many."""
        self._thin(self._most)
        return [item for _, item in self.items]

    def _thin(self, most: int) -> None:
        """Remove, one after another, the item whose neighbours are closest; the first and the last stay."""
        while len(self.items) > max(most, 1):
            spans = [self.items[i + 1][0] - self.items[i - 1][0] for i in range(1, len(self.items) - 1)]
            del self.items[1 + spans.index(min(spans)) if spans else 1]
