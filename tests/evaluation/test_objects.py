"""Objects of COCO jsons and instance maps have the network's classes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from pycocotools import mask as rle

from edgeseg.errors import UsageError
from edgeseg.evaluation.objects import objects_of_map, read_coco
from edgeseg.frames.rle import decode

CLASSES = ("background", "traffic light", "Car")
TOO_LONG = rle.frPyObjects({"size": [12, 20], "counts": [3, 4000]}, 12, 20)["counts"].decode()
SQUARE = [2.0, 3.0, 8.0, 3.0, 8.0, 9.0, 2.0, 9.0]


def coco(path: Path, **changes: Any) -> Path:
    content = {
        "images": [{"id": 7, "file_name": "train/a.jpg", "height": 12, "width": 20}],
        "categories": [
            {"id": 3, "name": "car"},
            {"id": 10, "name": "Traffic-Light"},
            {"id": 5, "name": "tree"},
        ],
        "annotations": [
            {
                "id": 1,
                "image_id": 7,
                "category_id": 3,
                "segmentation": [SQUARE],
                "bbox": [2, 3, 6, 6],
                "area": 36,
            },
            {"id": 2, "image_id": 7, "category_id": 5, "segmentation": [SQUARE]},
        ],
    }
    path.write_text(json.dumps(content | changes))
    return path


def annotation(**changes: Any) -> list[dict[str, Any]]:
    return [{"id": 1, "image_id": 7, "category_id": 3, "iscrowd": 1, **changes}]


def test_categories_are_matched_by_name(tmp_path: Path) -> None:
    found = read_coco(coco(tmp_path / "a.json"), CLASSES)
    size_hw, (one,) = found.by_stem["a"]
    assert size_hw == (12, 20)
    assert (one["category_id"], one["bbox"], one["area"], one["iscrowd"]) == (2, [2, 3, 6, 6], 36, 0)
    mask = decode(one["segmentation"])
    assert mask[3:9, 2:8].all()
    assert mask.sum() == 36
    assert found.class_ids == {1, 2}
    assert [note.partition(":")[0] for note in found.notes] == [
        "1 categories of a.json are no classes of the network and are left out"
    ]


def test_classes_that_the_labels_do_not_know_are_named(tmp_path: Path) -> None:
    found = read_coco(coco(tmp_path / "a.json"), (*CLASSES, "boat"))
    assert found.class_ids == {1, 2}
    assert "what is found of them is not counted: 'boat'" in found.notes[-1]


def test_classes_without_names_are_taken_by_number_and_that_is_said(tmp_path: Path) -> None:
    numbered = ("background", "class 1", "class 2", "class 3")
    found = read_coco(coco(tmp_path / "a.json"), numbered)
    assert [one["category_id"] for one in found.by_stem["a"][1]] == [3]
    assert "category ids of a.json are taken for theirs" in found.notes[0]


@pytest.mark.parametrize("counts", [[3, 4, 233], "compressed"])
def test_run_lengths_are_read(tmp_path: Path, counts: Any) -> None:
    plain = {"size": [12, 20], "counts": [3, 4, 233]}
    if counts == "compressed":
        counts = rle.frPyObjects(plain, 12, 20)["counts"].decode()
    path = coco(
        tmp_path / "a.json", annotations=annotation(segmentation={"size": [12, 20], "counts": counts})
    )
    (one,) = read_coco(path, CLASSES).by_stem["a"][1]
    assert np.flatnonzero(decode(one["segmentation"]).T).tolist() == [3, 4, 5, 6]
    assert (one["iscrowd"], one["area"], one["bbox"]) == (1, 4.0, [0.0, 3.0, 1.0, 4.0])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"categories": [{"id": 3, "name": "boat"}]}, "no category of .* has the name of a class.*--classes"),
        ({"categories": None}, "damaged or not a COCO json"),
        ({"images": [{"id": 7}]}, "damaged or not a COCO json"),
        ({"images": [{"id": 7, "file_name": "a", "height": 10**6, "width": 10**6}]}, "--limit pixels"),
        (
            {"images": [{"id": i, "file_name": f"{i}/a.jpg", "height": 9, "width": 9} for i in (7, 8)]},
            "two images of the name 'a'",
        ),
        ({"annotations": annotation(segmentation=[[0, 0, 1e9, 0, 5, 5]])}, "far outside"),
        ({"annotations": annotation(segmentation=[])}, "damaged or not a COCO json"),
        ({"annotations": annotation(segmentation={"counts": [3, 4000]})}, "damaged or not a COCO json"),
        ({"annotations": annotation(segmentation={"counts": TOO_LONG})}, "damaged or not a COCO json"),
    ],
)
def test_what_is_no_coco_json_is_refused_in_one_line(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        read_coco(coco(tmp_path / "a.json", **changes), CLASSES)


def test_every_value_of_an_instance_map_is_an_object(tmp_path: Path) -> None:
    values = np.zeros((6, 8), np.uint16)
    values[1:3, 1:4] = 1
    values[4:, 2:] = 40_000
    cv2.imwrite(str(tmp_path / "a.png"), values)
    small, large = objects_of_map(tmp_path / "a.png", (6, 8))
    assert (small["bbox"], small["area"], small["category_id"]) == ([1, 1, 3, 2], 6, 1)
    assert (decode(large["segmentation"]) == (values == 40_000)).all()
    with pytest.raises(UsageError, match="is 6x8; an instance map has one channel and its image's size, 8x8"):
        objects_of_map(tmp_path / "a.png", (8, 8))
