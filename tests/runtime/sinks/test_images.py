from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeseg.errors import SinkError
from edgeseg.runtime.frame import Frame
from edgeseg.runtime.results import SemanticResult
from edgeseg.runtime.sinks import FolderSink, ImageSink
from edgeseg.runtime.sinks.base import encode_image
from edgeseg.runtime.sinks.images import instance_map

from ..fakes import INSTANCE, SEMANTIC, two_animals

IMAGE = np.zeros((6, 8, 3), np.uint8)


def test_label_maps_hold_class_ids_under_the_frames_name(tmp_path: Path) -> None:
    labels = np.arange(48, dtype=np.uint8).reshape(6, 8)
    with FolderSink(tmp_path, SEMANTIC) as sink:
        sink.write(Frame(IMAGE, 0, 0.0, "street.jpg"), SemanticResult(labels))
        sink.write(Frame(IMAGE, 7, 0.0), SemanticResult(labels))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["000007.png", "classes.json", "street.png"]
    read = cv2.imread(str(tmp_path / "street.png"), cv2.IMREAD_UNCHANGED)
    assert read.dtype == np.uint8
    assert read.tolist() == labels.tolist()
    legend = json.loads((tmp_path / "classes.json").read_text())
    assert legend[1] == {"class_id": 1, "name": "bright", "colour_rgb": [200, 100, 0]}


def test_files_of_one_stem_do_not_overwrite_each_other(tmp_path: Path) -> None:
    with FolderSink(tmp_path, SEMANTIC) as sink:
        for name in ("a.png", "a.jpg", "classes.png"):
            sink.write(Frame(IMAGE, 0, 0.0, name), SemanticResult(np.zeros((6, 8), np.uint8)))
    assert {path.name for path in tmp_path.glob("*.png")} == {"a.png", "a.jpg.png", "classes.png.png"}


def test_instance_maps_number_the_objects_of_the_json(tmp_path: Path) -> None:
    with FolderSink(tmp_path, INSTANCE) as sink:
        sink.write(Frame(IMAGE, 0, 0.0, "pets.png"), two_animals())
    numbers = cv2.imread(str(tmp_path / "pets.png"), cv2.IMREAD_UNCHANGED)
    assert numbers.dtype == np.uint16
    assert numbers.tolist() == [[1, 1, 1, 1, 2, 2, 2, 2]] * 4 + [[0] * 8] * 2
    objects = json.loads((tmp_path / "pets.json").read_text())
    assert objects[1] == {
        "id": 2,
        "class_id": 2,
        "name": "dog",
        "score": 0.6,
        "box_xyxy": [2.0, 0.0, 8.0, 4.0],
    }


def test_the_better_score_shows_where_masks_overlap() -> None:
    assert instance_map(two_animals())[0].tolist() == [1, 1, 1, 1, 2, 2, 2, 2]


def test_one_image_takes_one_overlay(tmp_path: Path) -> None:
    result, overlay = SemanticResult(np.zeros((6, 8), np.uint8)), np.full((6, 8, 3), 77, np.uint8)
    with ImageSink(tmp_path / "o.png") as sink:
        sink.write(Frame(IMAGE, 0, 0.0), result, overlay)
        with pytest.raises(SinkError, match="takes one image"):
            sink.write(Frame(IMAGE, 1, 0.0), result, overlay)
    assert (cv2.imread(str(tmp_path / "o.png")) == 77).all()


def test_what_a_format_cannot_hold_is_one_line() -> None:
    with pytest.raises(SinkError, match=r"cannot encode big\.jpg"):
        encode_image(Path("big.jpg"), np.zeros((1, 70000, 3), np.uint8))
