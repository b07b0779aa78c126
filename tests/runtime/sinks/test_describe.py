from __future__ import annotations

from dataclasses import replace

import numpy as np

from edgeseg.frames.results import SemanticResult
from edgeseg.runtime.frame import Frame
from edgeseg.runtime.sinks.describe import describe, to_line

from ..fakes import two_animals

FRAME = Frame(np.zeros((6, 8, 3), np.uint8), 4, 12.5)


def test_without_masks_instances_have_boxes_areas_and_counts() -> None:
    tracked = replace(two_animals(), track_ids=np.array([7, -1]))
    found = describe(FRAME, tracked, ("background", "cat", "dog"), masks=False)
    assert found["counts"] == {"cat": 1, "dog": 1}
    cat, dog = found["instances"]
    assert (cat["bbox"], cat["area"], cat["track_id"]) == ([0, 0, 4, 4], 16, 7)
    assert (dog["bbox"], dog["area"], dog["track_id"]) == ([2, 0, 6, 4], 24, None)
    assert b"segmentation" not in to_line(found)


def test_without_masks_classes_have_areas_and_shares() -> None:
    labels = np.zeros((6, 8), np.uint8)
    labels[:3, :4] = 1
    found = describe(FRAME, SemanticResult(labels), ("background", "bright"), masks=False)
    assert [(one["category_name"], one["area"], one["share"]) for one in found["segments"]] == [
        ("background", 36, 0.75),
        ("bright", 12, 0.25),
    ]


def test_classes_that_overlap_share_pixels() -> None:
    masks = np.zeros((3, 6, 8), bool)
    masks[0, :2], masks[2, :3] = True, True
    result = SemanticResult(np.zeros((6, 8), np.uint8), masks=masks)
    found = describe(FRAME, result, ("a", "b", "c"), masks=False)
    assert [(one["category_name"], one["area"]) for one in found["segments"]] == [("a", 16), ("c", 24)]
