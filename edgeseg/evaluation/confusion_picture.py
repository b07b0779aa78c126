"""Draw a confusion matrix: the darker a cell, the larger its share of what is true of its row."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edgeseg.errors import ShapeError
from edgeseg.opencv import cv2

CELL_PX = 44
NUMBERED = 24  # rows up to which cells hold their share, in percent
SIDE_PX = 1080  # that a larger matrix takes
MARGIN_PX = 8
LETTERS = 28  # of a class's name
LINE_PX = 16  # height of a line of text
LEAST_NAME_PX = 110  # width for names: what the corner says has room
FONT, SCALE, SMALL = cv2.FONT_HERSHEY_SIMPLEX, 0.45, 0.4
DARK_BGR = (120, 60, 10)
PAPER, INK, LINE = 255, (0, 0, 0), (215, 215, 215)
BRIGHT_FROM = 0.5  # share from which a cell's number is white


def confusion_picture(
    counts: NDArray[np.int64], rows: Sequence[str], columns: Sequence[str]
) -> NDArray[np.uint8]:
    """Draw counts with the names of their rows, the truth, at the left and of their columns at the top.

    Args:
        counts: (R, C).
        rows, columns: names, R and C; of a large matrix as many are written as there is room for.

    Returns:
        (H, W, 3) uint8 BGR.

    Raises:
        ShapeError: if there are not as many names.
    """
    if counts.shape != (len(rows), len(columns)):
        raise ShapeError(f"counts are {counts.shape}, names {len(rows)} and {len(columns)}; give one each")
    cell = CELL_PX if max(counts.shape) <= NUMBERED else max(SIDE_PX // max(counts.shape), 2)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    shade = np.repeat(np.repeat(shares, cell, axis=0), cell, axis=1)[..., None]  # (R * cell, C * cell, 1)
    body = np.rint(PAPER + shade * (np.array(DARK_BGR) - PAPER)).astype(np.uint8)
    if cell == CELL_PX:
        for line in range(0, max(counts.shape) * cell, cell):
            body[line : line + 1] = body[:, line : line + 1] = LINE
        _write_shares(body, counts, shares)
    left = _names(rows, cell, to_the_right=True)
    top = cv2.rotate(_names(columns, cell, to_the_right=False), cv2.ROTATE_90_COUNTERCLOCKWISE)
    corner = np.full((top.shape[0], left.shape[1], 3), PAPER, np.uint8)
    lines = ("rows: true", "columns: found", "percent of row")
    for number, text in enumerate(lines, start=1):
        _put(corner, text, (MARGIN_PX, number * LINE_PX), SMALL, INK)
    sheet = np.concatenate(
        [np.concatenate([corner, top], axis=1), np.concatenate([left, body], axis=1)], axis=0
    )
    return np.pad(sheet, ((0, MARGIN_PX), (0, MARGIN_PX), (0, 0)), constant_values=PAPER)


def _write_shares(body: NDArray[np.uint8], counts: NDArray[np.int64], shares: NDArray[np.float64]) -> None:
    for row, column in np.argwhere(counts > 0):
        share = float(shares[row, column])
        text = f"{100 * share:.0f}" if share >= 0.01 else "<1"  # noqa: PLR2004 - a percent
        width = cv2.getTextSize(text, FONT, SMALL, 1)[0][0]
        at = int(column * CELL_PX + (CELL_PX - width) // 2), int(row * CELL_PX + CELL_PX // 2 + 5)
        _put(body, text, at, SMALL, (PAPER,) * 3 if share >= BRIGHT_FROM else INK)


def _names(names: Sequence[str], cell: int, *, to_the_right: bool) -> NDArray[np.uint8]:
    """Write names below each other, as many as there is room for, a cell a line."""
    short = [name if len(name) <= LETTERS else f"{name[: LETTERS - 2]}.." for name in names]
    widths = [cv2.getTextSize(name, FONT, SCALE, 1)[0][0] for name in short]
    side = max([LEAST_NAME_PX, *widths]) + 2 * MARGIN_PX
    strip = np.full((cell * len(names), side, 3), PAPER, np.uint8)
    for index in range(0, len(names), -(-LINE_PX // cell)):
        foot = index * cell + max(cell, LINE_PX) // 2 + 5
        at = side - MARGIN_PX - widths[index] if to_the_right else MARGIN_PX, foot
        _put(strip, short[index], at, SCALE, INK)
    return strip


def _put(
    picture: NDArray[np.uint8], text: str, at: tuple[int, int], scale: float, colour: tuple[int, ...]
) -> None:
    cv2.putText(picture, text, at, FONT, scale, colour, 1, cv2.LINE_AA)
