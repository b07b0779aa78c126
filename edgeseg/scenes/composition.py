"""Lay the patches of a scene's objects over a picture: motion blur, shadows, and what the frame cuts off."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgeseg.opencv import cv2
from edgeseg.scenes import shapes

SHADOW = 0.45  # darkening under an object


def compose(canvas: NDArray[np.float32], patch: shapes.Patch, streak_px: NDArray[np.float64]) -> None:
    """Lay a patch over the canvas, smeared along the way it goes while the shutter is open."""
    premultiplied = np.dstack([patch.colour * patch.alpha[:, :, None], patch.alpha])
    kernel = _streak(float(streak_px[0]), float(streak_px[1]))
    if kernel is not None:
        premultiplied = cv2.filter2D(premultiplied, -1, kernel, borderType=cv2.BORDER_CONSTANT)
    there, here = overlap(patch.left, patch.top, patch.alpha.shape, canvas.shape)
    part = premultiplied[here]
    canvas[there] *= 1 - part[:, :, 3:]
    canvas[there] += part[:, :, :3]


def cast_shadow(canvas: NDArray[np.float32], patch: shapes.Patch, dx: int, dy: int) -> None:
    """Darken what lies under a patch, moved by (dx, dy) pixels."""
    soft = cv2.blur(patch.alpha, (5, 5))
    there, here = overlap(patch.left + dx, patch.top + dy, soft.shape, canvas.shape)
    canvas[there] *= 1 - SHADOW * soft[here][:, :, None]


def overlap(
    left: int, top: int, patch_hw: tuple[int, ...], frame_hw: tuple[int, ...]
) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Where a patch lies in the frame, and which part of it that is; both empty when it lies outside."""
    y1, x1 = max(top, 0), max(left, 0)
    y2, x2 = max(min(top + patch_hw[0], frame_hw[0]), y1), max(min(left + patch_hw[1], frame_hw[1]), x1)
    return (slice(y1, y2), slice(x1, x2)), (slice(y1 - top, y2 - top), slice(x1 - left, x2 - left))


def _streak(dx: float, dy: float) -> NDArray[np.float32] | None:
    """The blur of a point that moves by (dx, dy) pixels, or None where it is less than a pixel."""
    if np.hypot(dx, dy) < 1.0:
        return None
    reach = shapes.PATCH_MARGIN_PX
    kernel = np.zeros((2 * reach + 1, 2 * reach + 1), np.float32)
    one = 1 << shapes.FIXED_POINT_BITS
    ends = [(round((reach + sign * dx / 2) * one), round((reach + sign * dy / 2) * one)) for sign in (-1, 1)]
    cv2.line(kernel, ends[0], ends[1], 1.0, 1, cv2.LINE_8, shapes.FIXED_POINT_BITS)
    kernel /= kernel.sum()
    return kernel
