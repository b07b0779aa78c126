"""Describe a frame and its result as JSON: when it was, how long it took, and what was found."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any

import numpy as np

from edgeseg.frames.results import InstanceResult, Result, SemanticResult, track_or_none
from edgeseg.runtime.frame import Frame

TIME_DIGITS = 6  # of seconds: finer than the clock of any container but those of nanoseconds
MS_DIGITS = 3
SHARE_DIGITS = 6


def describe(frame: Frame, result: Result, class_names: Sequence[str], *, masks: bool) -> dict[str, Any]:
    """Give one frame's result, ready for JSON.

    Keys: `stream` (its name, or empty), `index`, `time_s` (monotonic clock), `time_utc` (the same moment as
    ISO 8601), `media_s` (seconds on the source's own clock, or null), `latency_ms` (what each stage took, as
    far as known, and `total`), `name` (file name or null), `page` (number of the picture in a file that holds
    several, or null), `size_hw`, and what was found.

    Args:
        masks: `instances` are COCO results, and `segments` one item a class that occurs, both with run-length
            masks. Else `instances` have boxes and areas, `segments` areas alone; `counts` has the number of
            instances by class name.
    """
    found = _with_masks if masks else _without_masks
    return {**_head(frame), **found(frame, result, dict(enumerate(class_names)))}


def to_line(values: dict[str, Any]) -> bytes:
    """Write it as one line without its end; what of a name is not UTF-8 becomes `?`."""
    return json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")


def _head(frame: Frame) -> dict[str, Any]:
    return {
        "stream": frame.stream,
        "index": frame.index,
        "time_s": round(frame.time_s, TIME_DIGITS),
        "time_utc": _utc(time.time() - (time.monotonic() - frame.time_s)),
        "media_s": None if frame.media_s is None else round(frame.media_s, TIME_DIGITS),
        "latency_ms": {stage: round(took, MS_DIGITS) for stage, took in frame.stages_ms.items()},
        "name": frame.name,
        "page": frame.page,
        "size_hw": list(frame.image.shape[:2]),
    }


def _utc(seconds: float) -> str:
    moment = datetime.fromtimestamp(seconds, timezone.utc)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _with_masks(frame: Frame, result: Result, names: dict[int, str]) -> dict[str, Any]:
    if isinstance(result, SemanticResult):
        segments = result.to_segments()
        return {"segments": [{**s, "category_name": names.get(s["category_id"])} for s in segments]}
    found = result.to_coco(image_id=frame.index)
    return {"instances": [{**i, "category_name": names[i["category_id"]]} for i in found]}


def _without_masks(frame: Frame, result: Result, names: dict[int, str]) -> dict[str, Any]:
    if isinstance(result, SemanticResult):
        pixels = result.frame_hw[0] * result.frame_hw[1]
        return {
            "segments": [
                {
                    "category_id": class_id,
                    "category_name": names.get(class_id),
                    "area": area,
                    "share": round(area / pixels, SHARE_DIGITS),
                }
                for class_id, area in _areas(result)
            ]
        }
    counts = np.bincount(result.class_ids, minlength=len(names))
    return {
        "counts": {names[class_id]: int(count) for class_id, count in enumerate(counts) if count},
        "instances": _boxes(result, names),
    }


def _areas(result: SemanticResult) -> list[tuple[int, int]]:
    """Class ids that occur, with their pixels; classes that overlap share some."""
    if result.masks is not None:
        areas = [int(np.count_nonzero(mask)) for mask in result.masks]
    else:
        areas = np.bincount(result.labels.ravel()).tolist()
    return [(class_id, area) for class_id, area in enumerate(areas) if area]


def _boxes(result: InstanceResult, names: dict[int, str]) -> list[dict[str, Any]]:
    found = []
    for index, (x1, y1, x2, y2) in enumerate(result.boxes.tolist()):
        class_id = int(result.class_ids[index])
        item: dict[str, Any] = {
            "category_id": class_id,
            "category_name": names[class_id],
            "score": float(result.scores[index]),
            "bbox": [x1, y1, x2 - x1, y2 - y1],
            "area": int(np.count_nonzero(result.crops()[index].mask)),
        }
        if result.track_ids is not None:
            item["track_id"] = track_or_none(result.track_ids[index])
        found.append(item)
    return found
