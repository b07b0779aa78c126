"""Turn a frame's size into the places of its tiles: windows of one canvas that holds the whole frame.

The canvas is what the network's input would be if it were as large as the frame: the frame lies at its top
left, resized at most once, and what little is left right and below is padding. Every tile is a window of the
input's size. Windows begin at whole samples of the network's outputs, so that those of all tiles lie on one
grid, and are put together on it before anything is brought to the frame.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product

from edgeseg.frames.geometry import Placement, place, resized_hw
from edgeseg.runtime.tiles.tiling import Tiling
from edgeseg.spec import InputSpec, ModelSpec


@dataclass(frozen=True)
class Mosaic(Placement):
    """Where a frame lies on its canvas, which takes the place of the input, and where its tiles are.

    `input_hw` is the canvas's. Tiles are numbered row by row; a view of the whole frame comes after them.

    Attributes:
        tile_hw: height and width of the network's input.
        tops, lefts: first row of each row of tiles, first column of each column, ascending from 0, in pixels
            of the canvas. The last of each ends with the canvas.
        whole: where the frame lies in an input of its own, None if it is not looked at as a whole.
    """

    tile_hw: tuple[int, int]
    tops: tuple[int, ...]
    lefts: tuple[int, ...]
    whole: Placement | None = None

    @property
    def corners(self) -> tuple[tuple[int, int], ...]:
        """Top and left of each tile."""
        return tuple(product(self.tops, self.lefts))

    @property
    def images(self) -> int:
        """How many images the network sees."""
        return len(self.tops) * len(self.lefts) + (self.whole is not None)

    def placement(self, number: int) -> Placement:
        """Say where the frame lies in the input of one image: at rows and columns below 0 of most tiles."""
        if number == len(self.tops) * len(self.lefts):
            assert self.whole is not None
            return self.whole
        top, left = self.corners[number]
        return Placement(self.frame_hw, self.tile_hw, -top, -left, self.height, self.width)


def lay_out(frame_hw: tuple[int, int], spec: ModelSpec, tiling: Tiling) -> Placement:
    """Find where tiles of a frame lie; a frame that needs none, or is no larger than the input, is placed
    in that as without tiles.

    `auto` leaves the frame its size. A given number of columns and rows makes a canvas of that many tiles
    with the overlap asked for, into which the frame is fitted as into an input, by the spec's resize policy;
    rows or columns that its aspect leaves empty go.

    Args:
        frame_hw: height and width in pixels.
        spec: its outputs say where windows may begin.
    """
    taken = spec.input
    tile_hw = (taken.height, taken.width)
    single = place(frame_hw, taken)
    if frame_hw[0] <= tile_hw[0] and frame_hw[1] <= tile_hw[1]:
        return single
    stride_hw = output_stride_hw(spec)
    content_hw = _content_hw(frame_hw, taken, tiling, stride_hw)
    tops, lefts = (
        _starts(*axis, tiling.overlap) for axis in zip(content_hw, tile_hw, stride_hw, strict=True)
    )
    if len(tops) == len(lefts) == 1:
        return single
    canvas_hw = (tops[-1] + tile_hw[0], lefts[-1] + tile_hw[1])
    whole = single if tiling.whole and spec.task == "instance" else None
    return Mosaic(frame_hw, canvas_hw, 0, 0, *content_hw, tile_hw, tops, lefts, whole)


def output_stride_hw(spec: ModelSpec) -> tuple[int, int]:
    """Give the pixels of the input between two samples of the logits, by rows and columns.

    They are 1 for labels and instances, and for logits whose grid does not divide the input.
    """
    input_hw = (spec.input.height, spec.input.width)
    for output in spec.outputs:
        if output.name == "logits":
            grid_hw = output.shape[2:]
            if all(count and side % count == 0 for side, count in zip(input_hw, grid_hw, strict=True)):
                height, width = (side // (count or 1) for side, count in zip(input_hw, grid_hw, strict=True))
                return height, width
    return 1, 1


def _content_hw(
    frame_hw: tuple[int, int], taken: InputSpec, tiling: Tiling, stride_hw: tuple[int, int]
) -> tuple[int, int]:
    """Give the size at which the frame lies on the canvas."""
    if tiling.tiles == "auto":
        return frame_hw
    columns, rows = tiling.tiles
    limit = [
        side + math.floor(round((count - 1) * (1 - tiling.overlap) * side / stride, 6)) * stride
        for side, count, stride in zip((taken.height, taken.width), (rows, columns), stride_hw, strict=True)
    ]
    return resized_hw(frame_hw, (limit[0], limit[1]), taken.resize)


def _starts(content: int, tile: int, stride: int, overlap: float) -> tuple[int, ...]:
    """Spread as few tiles as overlap by that much evenly along one axis, on multiples of the stride."""
    beyond = -(-max(content - tile, 0) // stride)  # strides from the first tile to the last
    step = tile * (1 - overlap) / stride
    steps = math.ceil(round(beyond / step, 6))  # the canvas was made of so many, but for rounding
    return tuple((2 * i * beyond + steps) // (2 * steps) * stride if steps else 0 for i in range(steps + 1))
