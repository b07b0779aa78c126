"""Turn the pictures of a request into frames, after looking at what all of them declare."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeseg.errors import ShapeError, UsageError
from edgeseg.limits import refuse_above
from edgeseg.opencv import cv2
from edgeseg.runtime.sources.image_header import Header, read_header

MOST_SIDE = 1 << 16  # pixels; what resizes keeps numbers for each of a side
_DEEP = 8  # bits


def decoded(pictures: Sequence[bytes]) -> list[NDArray[np.uint8]]:
    """Decode pictures of one size to BGR (H, W, 3), turned as they say of themselves.

    Raises:
        ShapeError: if they are of several sizes, or a side is too long.
        UsageError: if one is no picture, or ends too soon, or all together declare too many pixels.
    """
    headers = [_header_of(picture) for picture in pictures]
    check_sides(max(max(header.width, header.height) for header in headers))
    refuse_above("pixels", sum(map(_pixels_of, headers)), "what the request's pictures hold", UsageError)
    frames = [_decoded(*pair) for pair in zip(pictures, headers, strict=True)]
    sizes = sorted({frame.shape[:2] for frame in frames})
    if len(sizes) > 1:
        raise ShapeError(f"pictures of one request must be of one size, got {sizes}; send a request for each")
    return frames


def check_sides(longest: int) -> None:
    """Raise ShapeError if a side has too many pixels."""
    if longest > MOST_SIDE:
        raise ShapeError(f"a frame's sides have at most {MOST_SIDE} pixels, got {longest}; send it in parts")


def _header_of(picture: bytes) -> Header:
    header = read_header(picture)
    if header is None:
        raise _unreadable(picture)
    if header.truncated and header.pages == 1:
        raise UsageError(f"a picture of {len(picture)} bytes ends too soon; send the whole file")
    return header


def _pixels_of(header: Header) -> int:
    return header.width * header.height * (2 if header.bits > _DEEP else 1)


def _decoded(picture: bytes, header: Header) -> NDArray[np.uint8]:
    frame: Any
    try:
        frame = cv2.imdecode(np.frombuffer(picture[: header.whole_bytes], np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:  # of more pixels than OpenCV takes
        frame = None
    if frame is None:
        raise _unreadable(picture)
    return header.orientation.apply(frame)


def _unreadable(picture: bytes) -> UsageError:
    return UsageError(f"{len(picture)} bytes are no picture that OpenCV reads; send JPEG or PNG")
