"""Hold what a network found in one frame as values a program works with, in the frame's own pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple, TypedDict, Union

import numpy as np
from numpy.typing import NDArray

from edgeseg.errors import UsageError
from edgeseg.frames.rle import RLE, encode_crop, encode_labels

NO_TRACK = -1  # of an object that belongs to no track


def track_or_none(track_id: np.int64) -> int | None:
    """Give an object's track as JSON has it: null for none."""
    return None if track_id == NO_TRACK else int(track_id)


class MaskCrop(NamedTuple):
    """One mask within its box: every pixel outside the window is outside the mask.

    `mask` is (h, w) bool; its first pixel is the frame's pixel in column `left`, row `top`. The window lies
    inside the frame; it has no pixels where the box has none in the frame.
    """

    left: int
    top: int
    mask: NDArray[np.bool_]

    @property
    def window(self) -> tuple[slice, slice]:
        """Rows and columns of the window: `frame[crop.window]` is (h, w, 3)."""
        height, width = self.mask.shape
        return slice(self.top, self.top + height), slice(self.left, self.left + width)


class Segment(TypedDict):
    """All pixels of one class in a frame, ready for JSON."""

    category_id: int
    area: int
    segmentation: RLE


class _CocoDetection(TypedDict):
    image_id: int
    category_id: int
    bbox: list[float]
    score: float
    segmentation: RLE


class CocoResult(_CocoDetection, total=False):
    """One detection in the COCO results format, ready for JSON; `bbox` is x, y, width, height in pixels.

    `track_id` is there where objects are tracked, None for one that belongs to no track.
    """

    track_id: int | None


@dataclass(frozen=True, eq=False)
class SemanticResult:
    """A class for every pixel.

    `labels` is (H, W) uint8, indices into the spec's `class_names`. `confidence` is (H, W) float32, the
    probability of the pixel's class in 0..1, or None where it was not asked for. The arrays belong to the
    result: the next frame does not change them.

    Where classes may overlap or be absent (the head `multilabel`), `masks` is (C, H, W) bool, the pixels of
    each class; else it is None. `labels` then has the likeliest class of each pixel's, and 255 where it has
    none; the confidence of having none is one minus the largest probability.
    """

    labels: NDArray[np.uint8]
    confidence: NDArray[np.float32] | None = None
    masks: NDArray[np.bool_] | None = None

    @property
    def frame_hw(self) -> tuple[int, int]:
        """Height and width of the frame in pixels."""
        return self.labels.shape[0], self.labels.shape[1]

    def to_segments(self) -> list[Segment]:
        """Give the pixels of every class that occurs as run-length encoding, class ids ascending.

        Segments of classes that overlap share pixels; pixels without a class have no segment then.
        """
        if self.masks is not None:
            return [
                {
                    "category_id": class_id,
                    "area": int(np.count_nonzero(mask)),
                    "segmentation": encode_crop(mask, 0, 0, self.frame_hw),
                }
                for class_id, mask in enumerate(self.masks)
                if mask.any()
            ]
        areas = np.bincount(self.labels.ravel())
        return [
            {"category_id": class_id, "area": int(areas[class_id]), "segmentation": rle}
            for class_id, rle in encode_labels(self.labels).items()
        ]


@dataclass(frozen=True, eq=False)
class InstanceResult:
    """The objects found in a frame, best score first.

    `boxes` is (D, 4) float32, xyxy in pixels within the frame; `scores` (D,) float32 in 0..1; `class_ids`
    (D,) int64, indices into the spec's `class_names`. The arrays belong to the result: the next frame does
    not change them. `_crops` is what `crops` returns.

    `track_ids` is (D,) int64 where objects are tracked, else None: the number of an object's track, the same
    from frame to frame and at most once in each; NO_TRACK, -1, for an object that belongs to none.
    """

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    class_ids: NDArray[np.int64]
    frame_hw: tuple[int, int]
    _crops: tuple[MaskCrop, ...]
    track_ids: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        """Return the number of objects, D."""
        return len(self.scores)

    def crops(self) -> tuple[MaskCrop, ...]:
        """Give the masks within their boxes: the cheap form, and all that drawing and encoding need."""
        return self._crops

    def select(self, indices: NDArray[np.intp]) -> InstanceResult:
        """Give the objects at the indices (E,), in that order."""
        return replace(
            self,
            boxes=self.boxes[indices],
            scores=self.scores[indices],
            class_ids=self.class_ids[indices],
            _crops=tuple(self._crops[index] for index in indices),
            track_ids=None if self.track_ids is None else self.track_ids[indices],
        )

    @cached_property
    def masks(self) -> NDArray[np.bool_]:
        """The masks (D, H, W) at frame size, made at the first use and kept."""
        masks = np.zeros((len(self), *self.frame_hw), dtype=np.bool_)
        for mask, crop in zip(masks, self._crops, strict=True):
            mask[crop.window] = crop.mask
        return masks

    def to_coco(self, *, image_id: int = 0) -> list[CocoResult]:
        """Give the objects in the COCO results format; the category id is the class id."""
        found: list[CocoResult] = [
            {
                "image_id": image_id,
                "category_id": int(class_id),
                "bbox": [float(x1), float(y1), float(x2 - x1), float(y2 - y1)],
                "score": float(score),
                "segmentation": encode_crop(crop.mask, crop.left, crop.top, self.frame_hw),
            }
            for (x1, y1, x2, y2), score, class_id, crop in zip(
                self.boxes, self.scores, self.class_ids, self._crops, strict=True
            )
        ]
        if self.track_ids is not None:
            for result, track_id in zip(found, self.track_ids, strict=True):
                result["track_id"] = track_or_none(track_id)
        return found

    def to_supervision(self, class_names: Sequence[str] | None = None) -> Any:
        """Give the objects as `supervision.Detections`, masks at frame size, tracks as `tracker_id`.

        Args:
            class_names: those of the spec; with them each object carries its name as `class_name`, which
                supervision's annotators write beside it.

        Raises:
            UsageError: if supervision is not installed, or an object's class has no name.
        """
        try:
            import supervision
        except ImportError as error:
            raise UsageError("supervision is not installed; run: pip install supervision") from error
        data: dict[str, Any] = {} if class_names is None else {"class_name": self._names(class_names)}
        return supervision.Detections(
            xyxy=self.boxes,
            mask=self.masks,
            confidence=self.scores,
            class_id=self.class_ids,
            tracker_id=self.track_ids,
            data=data,
        )

    def _names(self, class_names: Sequence[str]) -> NDArray[np.str_]:
        """Give each object's class by name, (D,)."""
        largest = int(self.class_ids.max(initial=-1))
        if largest >= len(class_names):
            raise UsageError(
                f"class_names must name the classes 0 to {largest}, got {len(class_names)} names; "
                "give the spec's class_names"
            )
        return np.array([class_names[class_id] for class_id in self.class_ids], dtype=np.str_)


Result = Union[SemanticResult, InstanceResult]  # noqa: UP007 - evaluated at run time


class FrameResult(NamedTuple):
    """What code other than the runtime's made of a frame: the network's input (H, W, C), and the result."""

    image: NDArray[Any]
    result: Result
