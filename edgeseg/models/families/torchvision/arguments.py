"""Read what a user says after MODEL in torchvision's words: parameters of networks, sizes, pixels."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from numbers import Real
from typing import Any

from edgeseg.errors import UsageError, shown
from edgeseg.spec import PerChannel

LIMITS: Mapping[str, str] = {
    "box_nms_thresh": "box_nms_threshold",
    "rpn_pre_nms_top_n_test": "rpn_pre_nms",
    "rpn_post_nms_top_n_test": "rpn_post_nms",
    "rpn_nms_thresh": "rpn_nms_threshold",
    "rpn_score_thresh": "rpn_score_threshold",
    "box_score_thresh": "score_threshold",
    "box_detections_per_img": "detections_per_image",
}
"""Parameters of `MaskRCNN`, by torchvision's names."""

COUNTS = ("rpn_pre_nms_top_n_test", "rpn_post_nms_top_n_test", "box_detections_per_img")
SCORE, MOST = "box_score_thresh", "box_detections_per_img"
MIN_SIZE, MAX_SIZE, MEAN, STD = "min_size", "max_size", "image_mean", "image_std"
SIZES, RATIOS, EPS = "anchor_sizes", "aspect_ratios", "norm_eps"
USUAL_SIZE: Mapping[str, int] = {MIN_SIZE: 800, MAX_SIZE: 1333}
OF_DETECTORS = (*LIMITS, MIN_SIZE, MAX_SIZE, MEAN, STD, SIZES, RATIOS, EPS)
FRAME_HW = (480, 640)  # pixels; a camera's frame, whose sides are to each other as the input's


def check_names(given: Iterable[str], known: Iterable[str], model: str) -> None:
    """Refuse arguments that are not known.

    Raises:
        UsageError: naming the nearest, or all of them.
    """
    known = list(known)
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"it takes {', '.join(known)}"
            raise UsageError(f"{model} has no argument {shown(name)}; {hint}")


def limits(given: Mapping[str, Any]) -> dict[str, Any]:
    """Give thresholds and counts as `MaskRCNN` calls them.

    Raises:
        UsageError: if they are no numbers of their range.
    """
    found = {}
    for name, own in LIMITS.items():
        if name not in given:
            continue
        value = given[name]
        if name in COUNTS and (type(value) is not int or value < 1):
            raise UsageError(f"{name} must be a whole number from 1, got {shown(value)}")
        if name not in COUNTS and not (_is_number(value) and 0 <= value <= 1):
            raise UsageError(f"{name} must be a number in 0..1, got {shown(value)}")
        found[own] = value
    return found


def anchors(given: Mapping[str, Any]) -> dict[str, Any]:
    """Give sizes, a tuple a level, and aspect ratios, the same for all levels, as far as they are given.

    As in torchvision, sizes without tuples are one a level, and ratios may be repeated for each level.

    Raises:
        UsageError: if they are no such numbers.
    """
    found: dict[str, Any] = {}
    if SIZES in given:
        sizes = given[SIZES]
        flat = isinstance(sizes, list | tuple) and not any(isinstance(size, list | tuple) for size in sizes)
        found[SIZES] = _rows([[size] for size in sizes] if flat else sizes, SIZES, "((32,), (64,), (128,))")
    if RATIOS in given:
        ratios = given[RATIOS]
        nested = isinstance(ratios, list | tuple) and any(isinstance(one, list | tuple) for one in ratios)
        rows = _rows(ratios if nested else [ratios], RATIOS, "(0.5, 1.0, 2.0)")
        if len(set(rows)) != 1:
            raise UsageError(f"aspect_ratios must be the same for all levels, got {shown(ratios)}")
        found[RATIOS] = rows[0]
    return found


def size_hw(given: Mapping[str, Any]) -> tuple[int, int]:
    """Give the size to which torchvision's detectors bring a frame of 480x640, in pixels.

    Raises:
        UsageError: if `min_size` (of several the last) and `max_size` are no numbers of pixels.
    """
    chosen = {**USUAL_SIZE, **{name: given[name] for name in USUAL_SIZE if name in given}}
    if isinstance(chosen[MIN_SIZE], list | tuple) and chosen[MIN_SIZE]:
        chosen[MIN_SIZE] = chosen[MIN_SIZE][-1]  # torchvision draws one of them in training
    for name, pixels in chosen.items():
        if type(pixels) is not int or pixels < 1:
            raise UsageError(f"{name} must be a number of pixels from 1, got {shown(pixels)}")
    short, long = FRAME_HW
    scale = min(chosen[MIN_SIZE] / short, chosen[MAX_SIZE] / long)
    return max(1, int(short * scale)), max(1, int(long * scale))


def numbers_per_channel(given: Mapping[str, Any], name: str, channels: int) -> PerChannel | None:
    """Give mean or deviation, a number a channel; None if they are not given.

    Raises:
        UsageError: if they are no such numbers.
    """
    if name not in given:
        return None
    value = given[name]
    values = [value] if _is_number(value) else value
    if not isinstance(values, list | tuple) or len(values) != channels or not all(map(_is_number, values)):
        raise UsageError(f"{name} must be {channels} numbers, one a channel, got {shown(value)}")
    return tuple(map(float, values))


def norm_eps(given: Mapping[str, Any]) -> float | None:
    """Give the epsilon of batch normalisation; None if it is not given.

    Raises:
        UsageError: if it is no such number.
    """
    if EPS not in given:
        return None
    if not _is_number(given[EPS]) or given[EPS] < 0:
        raise UsageError(f"norm_eps must be a number from 0, got {shown(given[EPS])}")
    return float(given[EPS])


def _rows(value: Any, name: str, form: str) -> tuple[tuple[float, ...], ...]:
    rows = value if isinstance(value, list | tuple) else ()
    fits = all(isinstance(row, list | tuple) and row for row in rows)
    if not rows or not fits or not all(_is_number(size) and size > 0 for row in rows for size in row):
        raise UsageError(f"{name} must be numbers above 0 such as {form}, got {shown(value)}")
    return tuple(tuple(row) for row in rows)


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and abs(float(value)) < float("inf")
