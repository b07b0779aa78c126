"""Draw the number of a camera and of a frame as black and white blocks, and read them back from a picture.

The top half of a picture holds 8 x 8 blocks of one bit each: camera (8 bits), frame (32), the complement
of the sum of their bytes (8), and the rest grey. They survive JPEG, H.264 and scaling. Drawing needs the
standard library alone, since the system's Python, which has GStreamer, may have no numpy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

COLUMNS, ROWS = 8, 8
CAMERA_BITS, FRAME_BITS, CHECK_BITS = 8, 32, 8
BLACK, GREY, WHITE = 16, 128, 235  # of limited-range video
FRAMES = 1 << FRAME_BITS
BYTE = 0xFF


class Marks(NamedTuple):
    """What a picture says of itself: its camera, 0..255, and its number, modulo 2**32."""

    camera: int
    frame: int


def draw_luma(camera: int, frame: int, width: int, height: int) -> bytes:
    """Draw the brightness of a picture, row by row; width and height are divisible by 16."""
    marks = Marks(camera & BYTE, frame % FRAMES)
    bits = f"{marks.camera:08b}{marks.frame:032b}{_check(marks):08b}"
    levels = [WHITE if bit == "1" else BLACK for bit in bits]
    levels += [GREY] * (COLUMNS * ROWS - len(levels))
    block_width, block_height = width // COLUMNS, height // (2 * ROWS)
    rows = []
    for row in range(ROWS):
        line = b"".join(bytes([level]) * block_width for level in levels[row * COLUMNS : (row + 1) * COLUMNS])
        rows.append(line * block_height)
    drawn = b"".join(rows)
    return drawn + bytes([GREY]) * (width * height - len(drawn))


def read_marks(image: NDArray[np.uint8]) -> Marks | None:
    """Read camera and frame from a picture (H, W, 3); None where it is damaged or another picture."""
    height, width = image.shape[:2]
    values = [_middle(image, row, column, height, width) for row in range(ROWS) for column in range(COLUMNS)]
    bits = "".join("1" if value > GREY else "0" for value in values)
    marks = Marks(int(bits[:CAMERA_BITS], 2), int(bits[CAMERA_BITS : CAMERA_BITS + FRAME_BITS], 2))
    checked = CAMERA_BITS + FRAME_BITS
    return marks if int(bits[checked : checked + CHECK_BITS], 2) == _check(marks) else None


def _check(marks: Marks) -> int:
    total = marks.camera + sum(marks.frame.to_bytes(FRAME_BITS // 8, "big"))
    return ~total & BYTE


def _middle(image: NDArray[np.uint8], row: int, column: int, height: int, width: int) -> Any:
    """Give the mean of the middle of a block."""
    block_height, block_width = height / (2 * ROWS), width / COLUMNS
    top, left = int((row + 0.3) * block_height), int((column + 0.3) * block_width)
    bottom, right = int((row + 0.7) * block_height) + 1, int((column + 0.7) * block_width) + 1
    return image[top:bottom, left:right].mean()
