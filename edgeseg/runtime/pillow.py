"""Decode and encode pictures of 8 bits by Pillow, where OpenCV is not installed."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeseg.errors import MissingExtraError
from edgeseg.extras import require
from edgeseg.opencv import EXTRA as OPENCV_EXTRA

EXTRA = "images"
FORMATS = ("BMP", "JPEG", "PNG", "PPM", "WEBP")  # which both libraries turn upright alike
MODES = ("1", "L", "LA", "P", "RGB", "RGBA")  # of 8 bits or fewer; of others the two make other colours
ENCODED = ".png"


def decode_picture(data: bytes | bytearray) -> NDArray[np.uint8] | None:
    """Decode one picture as OpenCV does: upright by its EXIF orientation, alpha dropped.

    Returns:
        (H, W, 3) BGR; None if it is damaged.

    Raises:
        MissingExtraError: if Pillow is not installed, or the picture is one that takes OpenCV.
    """
    images, transposing = require("PIL.Image", EXTRA), require("PIL.ImageOps", EXTRA)
    try:
        with images.open(io.BytesIO(data)) as picture:
            if picture.format in FORMATS and picture.mode in MODES:
                rgb = np.asarray(transposing.exif_transpose(picture).convert("RGB"), np.uint8)
                return np.ascontiguousarray(rgb[:, :, ::-1])
    except Exception:  # whatever is in the file
        return None
    raise MissingExtraError("cv2", OPENCV_EXTRA)


def encode_picture(path: Path, image: NDArray[Any]) -> bytes:
    """Encode (H, W) of uint8 or uint16 as PNG, without loss.

    Args:
        path: of the file that it will be.

    Raises:
        MissingExtraError: if Pillow is not installed, or it is no PNG, which takes OpenCV.
    """
    if path.suffix.lower() != ENCODED or image.ndim != 2:  # noqa: PLR2004 - (H, W)
        raise MissingExtraError("cv2", OPENCV_EXTRA)
    encoded = io.BytesIO()
    require("PIL.Image", EXTRA).fromarray(image).save(encoded, format="PNG")
    return encoded.getvalue()
