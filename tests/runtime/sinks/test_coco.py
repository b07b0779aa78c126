from __future__ import annotations

import json
import resource
from pathlib import Path

import numpy as np
import pytest
from pycocotools.coco import COCO

from edgeseg.errors import SinkError
from edgeseg.frames.results import SemanticResult
from edgeseg.runtime.frame import Frame
from edgeseg.runtime.sinks import open_sink
from edgeseg.runtime.sinks.coco import CocoSink

from ..fakes import INSTANCE, GreyFrames, two_animals

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # pycocotools


def _frame(index: int) -> Frame:
    return Frame(np.zeros((6, 8, 3), np.uint8), index, 0.0)


def test_pycocotools_loads_the_results(tmp_path: Path) -> None:
    path = tmp_path / "x.coco.json"
    with open_sink(path, INSTANCE, GreyFrames([1])) as sink:
        for index in (3, 5):
            sink.write(_frame(index), two_animals(), None)
    truth = COCO()
    truth.dataset = {
        "info": {},
        "images": [{"id": index, "height": 6, "width": 8} for index in (3, 5)],
        "categories": [{"id": class_id, "name": name} for class_id, name in enumerate(INSTANCE.class_names)],
        "annotations": [],
    }
    truth.createIndex()
    found = truth.loadRes(str(path))
    assert [(one["image_id"], one["category_id"]) for one in found.loadAnns(found.getAnnIds())] == [
        *((3, 1), (3, 2), (5, 1), (5, 2))
    ]
    assert found.annToMask(found.loadAnns(found.getAnnIds(imgIds=5))[1]).sum() == 24


def test_the_list_is_whole_after_every_frame(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    nothing = two_animals().select(np.zeros(0, np.intp))
    with CocoSink(path) as sink:
        for count, result in ((0, nothing), (2, two_animals()), (2, nothing), (4, two_animals())):
            sink.write(_frame(count), result)
            assert len(json.loads(path.read_text())) == count


def test_classes_are_segments_with_a_score(tmp_path: Path) -> None:
    labels = np.zeros((6, 8), np.uint8)
    labels[0] = 1
    with CocoSink(tmp_path / "x.json") as sink:
        sink.write(_frame(7), SemanticResult(labels))
    found = json.loads((tmp_path / "x.json").read_text())
    assert [(one["image_id"], one["category_id"], one["score"]) for one in found] == [
        (7, 0, 1.0),
        (7, 1, 1.0),
    ]


def test_a_disk_that_was_full_for_a_while_costs_one_frame(tmp_path: Path) -> None:
    path, limits = tmp_path / "x.json", resource.getrlimit(resource.RLIMIT_FSIZE)
    with CocoSink(path) as sink:
        sink.write(_frame(0), two_animals())
        resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 20, limits[1]))
        try:
            with pytest.raises(SinkError, match="cannot write"):
                sink.write(_frame(1), two_animals())
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert {one["image_id"] for one in json.loads(path.read_text())} == {0}
        sink.write(_frame(2), two_animals())
    assert {one["image_id"] for one in json.loads(path.read_text())} == {0, 2}
