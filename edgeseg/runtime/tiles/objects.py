"""Put the objects found in the tiles of a frame together: each object once, and whole.

Two tiles that overlap see the pixels they share twice. Within these, what both found of one object agrees,
and what they found of two objects that touch does not: so objects of two views are one if their masks agree
there. What one view found apart stays apart.

An object whose box ends short of the borders that its tile has inside the frame was seen whole, and stays as
it was found; what other tiles saw of it goes. One that no tile saw whole is taken from the view of the whole
frame, if there is one and it was found there, or else from all its parts together.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgeseg.frames.results import InstanceResult, MaskCrop
from edgeseg.runtime.tiles.mosaic import Mosaic

AGREE_IOU = 0.5  # of masks, within what two views share: they are one object
COVERED = 0.5  # of a part's pixels by an object that was seen whole: it is part of that
CUT_SHARE = 0.02  # of a tile's side; a box that ends nearer to a border may go on behind it

Rectangle = tuple[int, int, int, int]  # left, top, right, bottom; the last two are exclusive


@dataclass(frozen=True)
class _View:
    """What one image shows: its window in the frame, and where an object must end to be seen whole there."""

    window: Rectangle
    inner: tuple[float, float, float, float]
    is_tile: bool


@dataclass(eq=False)
class _Object:
    """What one view found of an object, or what several did together."""

    views: frozenset[int]
    box: NDArray[np.float32]
    score: float
    class_id: int
    crop: MaskCrop
    whole: bool


def joined_objects(results: Sequence[InstanceResult], mosaic: Mosaic) -> InstanceResult:
    """Put results together that hold what each image of a mosaic shows, in pixels of the frame.

    Returns:
        Objects in descending order of score; one found several times has the best score of them.
    """
    views = [_view(mosaic, number) for number in range(mosaic.images)]
    found = [one for number, result in enumerate(results) for one in _objects(result, number, views[number])]
    groups = _groups(found, views)
    joined = [_one([found[i] for i in group], views) for group in groups]
    kept = _without_parts(joined, views)
    kept.sort(key=lambda one: -one.score)
    return InstanceResult(
        np.array([one.box for one in kept], np.float32).reshape(-1, 4),
        np.array([one.score for one in kept], np.float32),
        np.array([one.class_id for one in kept], np.int64),
        mosaic.frame_hw,
        tuple(one.crop for one in kept),
    )


def _view(mosaic: Mosaic, number: int) -> _View:
    """Carry one tile to the frame; borders of the frame do not cut anything."""
    frame_height, frame_width = mosaic.frame_hw
    if number == len(mosaic.corners):
        everywhere = (-math.inf, -math.inf, math.inf, math.inf)
        return _View((0, 0, frame_width, frame_height), everywhere, is_tile=False)
    top, left = mosaic.corners[number]
    y1, y2, low, high = _span(top, mosaic.tile_hw[0], mosaic.height, frame_height)
    x1, x2, first, last = _span(left, mosaic.tile_hw[1], mosaic.width, frame_width)
    return _View((x1, y1, x2, y2), (first, low, last, high), is_tile=True)


def _span(start: int, tile: int, content: int, frame: int) -> tuple[int, int, float, float]:
    """Give where a tile begins and ends in the frame along one axis, and between what nothing is cut."""
    scale, margin = frame / content, CUT_SHARE * tile
    end = start + tile
    low = (start + margin) * scale if start > 0 else -math.inf
    high = (end - margin) * scale if end < content else math.inf
    return math.floor(start * scale), min(math.ceil(end * scale), frame), low, high


def _objects(result: InstanceResult, number: int, view: _View) -> list[_Object]:
    left, top, right, bottom = view.inner
    boxes = result.boxes
    whole = (boxes[:, 0] >= left) & (boxes[:, 1] >= top) & (boxes[:, 2] <= right) & (boxes[:, 3] <= bottom)
    columns = (boxes, result.scores.tolist(), result.class_ids.tolist(), result.crops(), whole.tolist())
    return [_Object(frozenset([number]), *values) for values in zip(*columns, strict=True)]


def _groups(found: Sequence[_Object], views: Sequence[_View]) -> list[list[int]]:
    """Group what is one object, by number; the surest pairs first, and of each view one at most."""
    links = []
    for i, j in _pairs(found):
        one, other = found[i], found[j]
        (first,), (second,) = one.views, other.views
        agreement = _agreement(one.crop, other.crop, _common(views[first].window, views[second].window))
        if agreement >= AGREE_IOU:
            links.append((agreement * min(one.score, other.score), i, j))
    links.sort(reverse=True)
    groups = {i: [i] for i in range(len(found))}
    for _, i, j in links:
        group, joining = groups[i], groups[j]
        if group is joining or _seen_in(found, group) & _seen_in(found, joining):
            continue
        group += joining
        groups.update(dict.fromkeys(joining, group))
    return [group for i, group in groups.items() if group[0] == i]


def _pairs(found: Sequence[_Object]) -> list[tuple[int, int]]:
    """Give the pairs of objects of one class from two views whose boxes meet."""
    if not found:
        return []
    boxes = np.stack([one.box for one in found])
    classes = np.array([one.class_id for one in found])
    view = np.array([next(iter(one.views)) for one in found])
    low = np.maximum(boxes[:, None, :2], boxes[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    meet = (low < high).all(axis=2) & (classes[:, None] == classes) & (view[:, None] < view)
    first, second = np.nonzero(meet)
    return list(zip(first.tolist(), second.tolist(), strict=True))


def _seen_in(found: Sequence[_Object], group: Sequence[int]) -> frozenset[int]:
    return frozenset().union(*(found[i].views for i in group))


def _one(group: Sequence[_Object], views: Sequence[_View]) -> _Object:
    """Make one object of what several views found of it."""
    best = max(group, key=lambda one: one.score)
    seen = frozenset().union(*(one.views for one in group))
    in_tiles = [one for one in group if all(views[view].is_tile for view in one.views)]
    complete = [one for one in in_tiles if one.whole] or [one for one in group if one.whole]
    if complete:
        chosen = max(complete, key=lambda one: one.score)
        return _Object(seen, chosen.box, best.score, best.class_id, chosen.crop, whole=True)
    if len(group) == 1:
        return best
    boxes = np.stack([one.box for one in group])
    box = np.concatenate((boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)))
    crop = _union([one.crop for one in group])
    return _Object(seen, box, best.score, best.class_id, crop, whole=False)


def _without_parts(objects: Sequence[_Object], views: Sequence[_View]) -> list[_Object]:
    """Leave out what is part of an object that another view shows whole."""
    complete = [one for one in objects if one.whole]
    return [
        one
        for one in objects
        if one.whole
        or not any(
            other.class_id == one.class_id
            and not other.views & one.views
            and _shared(one.crop, other.crop) >= COVERED * max(int(np.count_nonzero(one.crop.mask)), 1)
            for other in complete
        )
    ]


def _agreement(one: MaskCrop, other: MaskCrop, window: Rectangle) -> float:
    """Give the IoU of two masks within a window, 0 where both are empty there."""
    shared = _shared(one, other, window)
    total = _count(one, window) + _count(other, window) - shared
    return shared / total if total else 0.0


def _shared(one: MaskCrop, other: MaskCrop, window: Rectangle | None = None) -> int:
    """Count the pixels that two masks have in common within a window."""
    common = _common(_rectangle(one), _rectangle(other))
    if window is not None:
        common = _common(common, window)
    return int(np.count_nonzero(_part(one, common) & _part(other, common)))


def _count(crop: MaskCrop, window: Rectangle) -> int:
    return int(np.count_nonzero(_part(crop, _common(_rectangle(crop), window))))


def _part(crop: MaskCrop, window: Rectangle) -> NDArray[np.bool_]:
    """Cut a window out of a mask that holds it; an empty one has no pixels."""
    left, top, right, bottom = window
    return crop.mask[top - crop.top : bottom - crop.top, left - crop.left : right - crop.left]


def _rectangle(crop: MaskCrop) -> Rectangle:
    height, width = crop.mask.shape
    return crop.left, crop.top, crop.left + width, crop.top + height


def _common(one: Rectangle, other: Rectangle) -> Rectangle:
    """Intersect two rectangles; where they do not meet it has no pixels."""
    left, top = max(one[0], other[0]), max(one[1], other[1])
    return left, top, max(left, min(one[2], other[2])), max(top, min(one[3], other[3]))


def _union(crops: Sequence[MaskCrop]) -> MaskCrop:
    rectangles = np.array([_rectangle(crop) for crop in crops])
    left, top = (int(value) for value in rectangles[:, :2].min(axis=0))
    right, bottom = (int(value) for value in rectangles[:, 2:].max(axis=0))
    mask = np.zeros((bottom - top, right - left), np.bool_)
    for crop in crops:
        mask[crop.top - top :, crop.left - left :][: crop.mask.shape[0], : crop.mask.shape[1]] |= crop.mask
    return MaskCrop(left, top, mask)
