"""Two runs agree when they found the same labels, or the same objects, in as many frames."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeseg.frames.rle import encode_crop
from tools.arm64.agreement import compare

SIZE_HW = (40, 50)


def _mask(rows: slice, columns: slice) -> dict[str, Any]:
    mask = np.zeros(SIZE_HW, np.bool_)
    mask[rows, columns] = True
    return dict(encode_crop(mask, 0, 0, SIZE_HW))


def _written(path: Path, kind: str, *frames: list[dict[str, Any]]) -> Path:
    items = [{"index": index, "size_hw": SIZE_HW, kind: found} for index, found in enumerate(frames)]
    path.write_text("".join(f"{json.dumps(item)}\n" for item in items))
    return path


def _segment(category_id: int, rows: slice, columns: slice) -> dict[str, Any]:
    return {"category_id": category_id, "segmentation": _mask(rows, columns)}


def _object(left: float = 10.0, score: float = 0.9, category_id: int = 1) -> dict[str, Any]:
    box = [left, 5.0, 20.0, 20.0]
    mask = _mask(slice(5, 25), slice(10, 30))
    return {"category_id": category_id, "bbox": box, "score": score, "segmentation": mask}


@pytest.fixture
def here(tmp_path: Path) -> Path:
    return tmp_path / "here.jsonl"


@pytest.fixture
def there(tmp_path: Path) -> Path:
    return tmp_path / "there.jsonl"


def test_equal_labels_agree(here: Path, there: Path) -> None:
    frame = [_segment(0, slice(0, 20), slice(None)), _segment(3, slice(20, 40), slice(None))]
    for path in (here, there):
        _written(path, "segments", frame, frame)
    assert compare(here, there, 0.5) == ("100.0000% of the labels of 2 frames are the same", True)


def test_one_row_of_40_with_another_label_does_not(here: Path, there: Path) -> None:
    for path, rows in ((here, 20), (there, 21)):
        halves = (slice(0, rows), slice(rows, 40))
        _written(
            path,
            "segments",
            [_segment(id_, half, slice(None)) for id_, half in zip((0, 3), halves, strict=True)],
        )
    assert compare(here, there, 0.5) == ("97.5000% of the labels of 1 frames are the same", False)


def test_pixels_of_no_class_are_a_label_too(here: Path, there: Path) -> None:
    _written(here, "segments", [_segment(0, slice(None), slice(None))])
    _written(there, "segments", [_segment(0, slice(0, 20), slice(None))])
    assert not compare(here, there, 0.5)[1]


def test_objects_that_differ_by_rounding_agree(here: Path, there: Path) -> None:
    _written(here, "instances", [_object()])
    _written(there, "instances", [_object(10.01, 0.90001)])
    said, same = compare(here, there, 0.5)
    assert same
    assert said.startswith("1 of 1 objects of 1 frames are the same, 0 more")


@pytest.mark.parametrize(
    "found",
    [
        [],
        [_object(), _object(left=25.0)],
        [_object(category_id=2)],
        [_object(score=0.88)],
        [_object(left=14.0)],
    ],
    ids=["missed", "one more", "another class", "another score", "another place"],
)
def test_other_objects_do_not_agree(here: Path, there: Path, found: list[dict[str, Any]]) -> None:
    _written(here, "instances", [_object()])
    _written(there, "instances", found)
    assert not compare(here, there, 0.5)[1]


def test_runs_that_found_nothing_show_nothing(here: Path, there: Path) -> None:
    for path in (here, there):
        _written(path, "instances", [], [])
    assert not compare(here, there, 0.5)[1]


def test_a_frame_that_is_missing_is_said(here: Path, there: Path) -> None:
    _written(here, "instances", [_object()], [_object()])
    _written(there, "instances", [_object()])
    assert compare(here, there, 0.5) == ("2 frames here, 1 there", False)
