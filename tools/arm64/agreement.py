"""Compare what two runs of one network found in the same frames, written as `.jsonl`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeseg.frames.rle import decode
from edgeseg.metrics.object_agreement import Instances, ObjectErrors
from edgeseg.proof.tolerances import FP32

NO_CLASS = 255


def compare(reference: Path, candidate: Path, score_threshold: float) -> tuple[str, bool]:
    """Say in words how far they agree, and whether as closely as fp32 engines must.

    Args:
        score_threshold: below which the network's objects are cut off; an object on it may come and go.
    """
    here, there = (_frames(path) for path in (reference, candidate))
    if not here or len(here) != len(there):
        return f"{len(here)} frames here, {len(there)} there", False
    if "segments" in here[0]:
        return _labels(here, there)
    return _objects(here, there, score_threshold)


def _labels(here: list[dict[str, Any]], there: list[dict[str, Any]]) -> tuple[str, bool]:
    same = np.mean([_label_map(one) == _label_map(other) for one, other in zip(here, there, strict=True)])
    return f"{same:.4%} of the labels of {len(here)} frames are the same", bool(same >= FP32.label_agreement)


def _objects(
    here: list[dict[str, Any]], there: list[dict[str, Any]], score_threshold: float
) -> tuple[str, bool]:
    errors = ObjectErrors(score_threshold, FP32.score, FP32.mask)
    for one, other in zip(here, there, strict=True):
        errors.add(_instances(one), _instances(other))
    close = (
        errors.max_score <= FP32.score
        and errors.max_box_px <= FP32.box_px
        and errors.min_mask_iou >= FP32.mask_iou
    )
    said = (
        f"{errors.matched} of {errors.detections} objects of {len(here)} frames are the same, "
        f"{errors.extra} more; scores within {errors.max_score:.1g}, boxes within "
        f"{errors.max_box_px:.1g} px, masks overlap by {errors.min_mask_iou:.3f} and more"
    )
    return said, bool(errors.detections) and not errors.missed + errors.extra and close


def _frames(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _label_map(frame: dict[str, Any]) -> NDArray[np.uint8]:
    labels = np.full(frame["size_hw"], NO_CLASS, np.uint8)
    for segment in frame["segments"]:
        labels[decode(segment["segmentation"])] = segment["category_id"]
    return labels


def _instances(frame: dict[str, Any]) -> Instances:
    found = frame["instances"]
    boxes_xywh = np.array([one["bbox"] for one in found], np.float32).reshape(-1, 4)
    return Instances(
        boxes=np.concatenate([boxes_xywh[:, :2], boxes_xywh[:, :2] + boxes_xywh[:, 2:]], axis=1),
        scores=np.array([one["score"] for one in found], np.float32),
        class_ids=np.array([one["category_id"] for one in found], np.int64),
        masks=np.array([decode(one["segmentation"]) for one in found], np.float32),  # (D, H, W) of 0 and 1
    )
