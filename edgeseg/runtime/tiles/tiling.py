"""What is asked of tiles: how many columns and rows, and how far neighbours overlap."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from edgeseg.errors import UsageError, shown

MOST_ACROSS = 64  # columns, or rows; a camera of 8K has 30 tiles of 256 pixels in a row
DEFAULT_OVERLAP = 0.25  # of a tile
OVERLAP_END = 0.5  # from here on a pixel lies in three tiles of a row

Tiles = tuple[int, int] | Literal["auto"]
"""Columns and rows, or `auto`: as many as leave a frame its own resolution."""


@dataclass(frozen=True)
class Tiling:
    """How frames that are larger than the network's input are cut.

    Attributes:
        tiles: columns and rows, to which a frame is resized; `auto` cuts it as it is.
        overlap: of neighbours, as a fraction of a tile, 0 to below 0.5. Where tiles have to move together to
            end with the frame it is more.
        whole: of instances, whether the whole frame is looked at, too, resized to the input as without tiles:
            that finds what is larger than a tile.

    Raises:
        UsageError: if there is one tile, or more than MOST_ACROSS in a row, or `overlap` is out of range.
    """

    tiles: Tiles = "auto"
    overlap: float = DEFAULT_OVERLAP
    whole: bool = True

    def __post_init__(self) -> None:
        """Check the ranges."""
        if not 0 <= self.overlap < OVERLAP_END:
            raise UsageError(
                f"tiles must overlap by 0 to below {OVERLAP_END:g} of a tile, got {self.overlap:g}; give "
                f"{DEFAULT_OVERLAP:g}, and more rows and columns for smaller tiles"
            )
        if self.tiles == "auto":
            return
        columns, rows = self.tiles
        if columns == rows == 1:
            raise UsageError("1x1 tiles are the whole frame; give 2x1 and more, auto, or no tiles")
        if not (1 <= columns <= MOST_ACROSS and 1 <= rows <= MOST_ACROSS):
            nearest = "x".join(str(min(max(count, 1), MOST_ACROSS)) for count in (columns, rows))
            raise UsageError(
                f"there can be 1 to {MOST_ACROSS} columns and rows of tiles, got {columns}x{rows}; "
                f"give auto, or {nearest}"
            )


def parse_tiles(text: str) -> Tiles:
    """Read `auto` or COLSxROWS, such as 4x3.

    Raises:
        UsageError: if it is neither.
    """
    if text == "auto":
        return "auto"
    match = re.fullmatch(r"([0-9]{1,4})x([0-9]{1,4})", text.lower())
    if match is None:
        raise UsageError(f"{shown(text)} is no number of tiles; write columns x rows, such as 4x3, or auto")
    return int(match[1]), int(match[2])


def tiling_of(tiles: str | None, overlap: float = DEFAULT_OVERLAP) -> Tiling | None:
    """Read what a flag or a file of settings asks for; None asks for no tiles. Raises what `Tiling` does."""
    return None if tiles is None else Tiling(parse_tiles(tiles), overlap)
