"""Call the kernel that resizes, a shared library without Python in it; ctypes lets go of the GIL meanwhile.

It is compiled twice: for any CPU of its kind (`baseline`), and for x86-64 with AVX2 and FMA (`avx2`). Where
neither was built, `resize_by_numpy` does the same.
"""

from __future__ import annotations

import ctypes
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeseg.frames.resize_weights import Axis
from edgeseg.machine import processor

_OF_AVX2 = {"avx2", "fma"}  # vector units, as Linux names them
KERNEL_CHANNELS = 3
_ONE = 1 << 11  # a weight of 1 in OpenCV's fixed point; a byte times two of them has 22 bits more
_FIRST_DROP, _SECOND_DROP, _LAST_DROP, _HALF = 4, 16, 2, 2  # bits, and what rounds the last ones
_READ_BEHIND = 1  # floats: the kernel reads pixels by four


@cache
def fastest() -> str | None:
    """Name the fastest kernel that was built and runs on this CPU; None: there is none."""
    if _path("avx2").exists() and _OF_AVX2.issubset(processor()["vector_units"].split()):
        return "avx2"
    return "baseline" if _path("baseline").exists() else None


def resize_by_kernel(
    name: str, frame: NDArray[np.uint8], rows: Axis, columns: Axis, out: NDArray[np.uint8]
) -> None:
    """Weigh rows, then columns, and round once.

    Args:
        name: of the kernel, `avx2` or `baseline`.
        frame: (H, W, 3); pixels must lie one behind the other, rows may lie anywhere.
        rows, columns: (h,) and (w,).
        out: (h, w, 3), likewise.
    """
    line = np.zeros((frame.shape[1] + columns.weight.shape[1]) * KERNEL_CHANNELS + _READ_BEHIND, np.float32)
    _open(name).edgeseg_resize(
        *(frame.ctypes.data, frame.strides[0], *frame.shape[:2]),
        *(out.ctypes.data, out.strides[0], *out.shape[:2]),
        *(rows.first.ctypes.data, rows.weight.ctypes.data, rows.weight.shape[1]),
        *(columns.first.ctypes.data, columns.weight.ctypes.data, columns.weight.shape[1]),
        line.ctypes.data,
    )


def resize_by_numpy(frame: NDArray[Any], rows: Axis, columns: Axis, out: NDArray[Any]) -> None:
    """Do what `resize_by_kernel` does, in several times its time, for any channels; floats stay unrounded."""
    lines = _weigh(frame, rows).transpose(1, 0, 2)  # (W, h, C)
    pixels = _weigh(np.ascontiguousarray(lines), columns).transpose(1, 0, 2)  # (h, w, C)
    rounding = np.float32(0.0 if out.dtype == np.float32 else 0.5)
    np.copyto(out, pixels + rounding, casting="unsafe")


def resize_in_fixed_point(
    frame: NDArray[np.uint8], rows: Axis, columns: Axis, out: NDArray[np.uint8]
) -> None:
    """Weigh two samples an axis, columns first, and drop the bits that OpenCV drops: it gives these bytes.

    Args:
        frame: (H, W, C).
        rows: of two weights; a sample beyond the frame stands for the outermost.
        columns: of two weights.
        out: (h, w, C).
    """
    height, width, channels = frame.shape
    lines = frame.reshape(height, width * channels)
    each = np.arange(channels)
    ends = [(np.minimum(columns.first + end, width - 1)[:, None] * channels + each).ravel() for end in (0, 1)]
    across = np.rint(columns.weight * _ONE).astype(np.int32).repeat(channels, axis=0)
    down = np.rint(rows.weight * _ONE).astype(np.int32)
    total = np.full((len(rows.first), across.shape[0]), _HALF, np.int32)
    for end in (0, 1):
        taken = lines.take(np.clip(rows.first + end, 0, height - 1), axis=0)
        line = taken.take(ends[0], axis=1) * across[:, 0]
        line += taken.take(ends[1], axis=1) * across[:, 1]
        line >>= _FIRST_DROP
        line *= down[:, end, None]
        line >>= _SECOND_DROP
        total += line
    total >>= _LAST_DROP
    out[:] = total.reshape(out.shape)


def _weigh(image: NDArray[Any], axis: Axis) -> NDArray[np.float32]:
    """Weigh the rows of (H, W, C)."""
    weighed = np.empty((len(axis.first), *image.shape[1:]), np.float32)
    for row, first, weight in zip(weighed, axis.first, axis.weight, strict=True):
        taken = image[first : first + len(weight)].reshape(-1, row.size)
        np.matmul(weight[: len(taken)], taken.astype(np.float32), out=row.reshape(-1))
    return weighed


def _path(name: str) -> Path:
    return Path(__file__).with_name(f"_resize_{name}.so")


@cache
def _open(name: str) -> ctypes.CDLL:
    library = ctypes.CDLL(str(_path(name)))
    pointer, integer, offset = ctypes.c_void_p, ctypes.c_int, ctypes.c_ssize_t
    library.edgeseg_resize.restype = None
    library.edgeseg_resize.argtypes = [
        *(pointer, offset, integer, integer),
        *(pointer, offset, integer, integer),
        *(pointer, pointer, integer),
        *(pointer, pointer, integer),
        pointer,
    ]
    return library
