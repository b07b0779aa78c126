from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeseg.errors import SinkError
from edgeseg.frames.results import NO_TRACK, SemanticResult
from edgeseg.runtime.frame import Frame
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
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "000007.png",
        "classes.json",
        "maps.sha256",
        "street.png",
    ]
    read = cv2.imread(str(tmp_path / "street.png"), cv2.IMREAD_UNCHANGED)
    assert read.dtype == np.uint8
    assert read.tolist() == labels.tolist()
    legend = json.loads((tmp_path / "classes.json").read_text())
    assert legend[1] == {"class_id": 1, "name": "bright", "colour_rgb": [200, 100, 0]}


def test_objects_that_are_tracked_say_so(tmp_path: Path) -> None:
    with FolderSink(tmp_path, INSTANCE) as sink:
        sink.write(Frame(IMAGE, 0, 0.0), two_animals())
        sink.write(Frame(IMAGE, 1, 0.0), replace(two_animals(), track_ids=np.array([7, NO_TRACK])))
    plain, tracked = (json.loads((tmp_path / f"00000{i}.json").read_text()) for i in (0, 1))
    assert all("track_id" not in one for one in plain)
    assert [one["track_id"] for one in tracked] == [7, None]


def test_files_of_one_stem_do_not_overwrite_each_other(tmp_path: Path) -> None:
    with FolderSink(tmp_path, SEMANTIC) as sink:
        for name in ("a.png", "a.jpg", "classes.png"):
            sink.write(Frame(IMAGE, 0, 0.0, name), SemanticResult(np.zeros((6, 8), np.uint8)))
    assert {path.name for path in tmp_path.glob("*.png")} == {"a.png", "a.jpg.png", "classes.png.png"}


def test_pages_of_a_file_have_maps_of_their_own(tmp_path: Path) -> None:
    with FolderSink(tmp_path, SEMANTIC) as sink:
        for page in (0, 1):
            for name in ("stack.tif", "stack.gif"):
                frame = Frame(IMAGE, 0, 0.0, name, page=page)
                sink.write(frame, SemanticResult(np.zeros((6, 8), np.uint8)))
    assert {path.name for path in tmp_path.glob("*.png")} == {
        "stack-000000.png",
        "stack-000001.png",
        "stack.gif-000000.png",
        "stack.gif-000001.png",
    }


def _run(folder: Path, count: int) -> list[str]:
    with FolderSink(folder, INSTANCE) as sink:
        for index in range(count):
            sink.write(Frame(IMAGE, index, 0.0), two_animals())
    return list(sink.notes)


def test_maps_of_an_earlier_longer_run_do_not_stay_among_the_new_ones(tmp_path: Path) -> None:
    assert _run(tmp_path, 3) == []
    assert _run(tmp_path, 2) == [f"6 files of an earlier run are removed from {tmp_path}"]
    assert {path.name for path in tmp_path.iterdir()} == {
        *("classes.json", "maps.sha256", "000000.png", "000001.png", "000000.json", "000001.json")
    }


def test_what_is_not_ours_stays_and_is_said(tmp_path: Path) -> None:
    folder, elsewhere = tmp_path / "maps", tmp_path / "elsewhere.png"
    _run(folder, 4)
    (folder / "mine.png").write_bytes(b"mine")
    (folder / "000002.png").write_bytes(b"corrected by hand")
    elsewhere.write_bytes((folder / "000003.png").read_bytes())
    (folder / "000003.png").unlink()
    (folder / "000003.png").symlink_to(elsewhere)
    with (folder / "maps.sha256").open("a") as file:
        file.write(f"{hashlib.sha256(elsewhere.read_bytes()).hexdigest()}  ../elsewhere.png\n")
    assert _run(folder, 1)[1:] == [
        f"{folder} also holds 3 PNG files that no run wrote, or that were changed since"
    ]
    assert elsewhere.exists()
    assert (folder / "000002.png").read_bytes() == b"corrected by hand"
    assert not (folder / "000001.png").exists()


def test_a_run_without_results_removes_nothing(tmp_path: Path) -> None:
    _run(tmp_path, 2)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    assert _run(tmp_path, 0) == []
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


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
