from __future__ import annotations

import pytest

from edgeseg.errors import UsageError
from edgeseg.runtime.tiles.tiling import Tiling, parse_tiles


@pytest.mark.parametrize(
    ("text", "tiles"), [("auto", "auto"), ("4x3", (4, 3)), ("1x2", (1, 2)), ("10X2", (10, 2))]
)
def test_tiles_are_columns_and_rows_or_auto(text: str, tiles: object) -> None:
    assert parse_tiles(text) == tiles


@pytest.mark.parametrize("text", ["", "4", "4x", "x4", "4x3x2", "-1x2", "2.5x2", "12345x1", "automatic"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="write columns x rows, such as 4x3, or auto"):
        parse_tiles(text)


@pytest.mark.parametrize(
    ("tiles", "overlap", "message"),
    [
        ((1, 1), 0.25, "the whole frame; give 2x1 and more"),
        ((0, 3), 0.25, "got 0x3; give auto, or 1x3"),
        ((100, 3), 0.25, "got 100x3; give auto, or 64x3"),
        ("auto", 0.5, r"0 to below 0.5 of a tile, got 0.5; give 0.25"),
        ("auto", -0.1, "got -0.1"),
        ("auto", float("nan"), "got nan"),
    ],
)
def test_nonsense_is_refused_with_what_to_give(tiles: object, overlap: float, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Tiling(tiles, overlap)  # type: ignore[arg-type]
