from __future__ import annotations

import json
import os
import resource
import time
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from edgeseg.errors import SinkError
from edgeseg.frames.results import SemanticResult
from edgeseg.runtime.frame import Frame
from edgeseg.runtime.sinks import JsonLinesSink

from ..fakes import INSTANCE, SEMANTIC, two_animals

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # pycocotools
FRAME = Frame(np.zeros((6, 8, 3), np.uint8), 4, 12.5, "a.png", media_s=1 / 3)


def _lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_instances_are_coco_results_with_names(tmp_path: Path) -> None:
    with JsonLinesSink(tmp_path / "r.jsonl", INSTANCE) as sink:
        sink.write(FRAME, two_animals())
    (line,) = _lines(tmp_path / "r.jsonl")
    assert {key: line[key] for key in ("index", "time_s", "media_s", "name", "page", "size_hw")} == {
        "index": 4,
        "time_s": 12.5,
        "media_s": 0.333333,
        "name": "a.png",
        "page": None,
        "size_hw": [6, 8],
    }
    cat, dog = line["instances"]
    assert (cat["image_id"], cat["category_id"], cat["category_name"], cat["bbox"]) == (
        4,
        1,
        "cat",
        [0, 0, 4, 4],
    )
    assert coco_mask.decode(dog["segmentation"]).tolist() == [[0, 0, 1, 1, 1, 1, 1, 1]] * 4 + [[0] * 8] * 2


def test_labels_are_one_segment_a_class(tmp_path: Path) -> None:
    labels = np.zeros((6, 8), np.uint8)
    labels[0, 3] = 1
    with JsonLinesSink(tmp_path / "r.jsonl", SEMANTIC) as sink:
        sink.write(FRAME, SemanticResult(labels))
    (line,) = _lines(tmp_path / "r.jsonl")
    assert [(s["category_id"], s["category_name"], s["area"]) for s in line["segments"]] == [
        (0, "background", 47),
        (1, "bright", 1),
    ]
    assert coco_mask.decode(line["segments"][1]["segmentation"]).tolist() == labels.tolist()


def test_a_frame_without_media_time_says_so(tmp_path: Path) -> None:
    with JsonLinesSink(tmp_path / "r.jsonl", SEMANTIC) as sink:
        sink.write(Frame(FRAME.image, 0, 0.0), SemanticResult(np.zeros((6, 8), np.uint8)))
    assert _lines(tmp_path / "r.jsonl")[0]["media_s"] is None


def test_not_sure_has_no_name(tmp_path: Path) -> None:
    with JsonLinesSink(tmp_path / "r.jsonl", SEMANTIC) as sink:
        sink.write(FRAME, SemanticResult(np.full((6, 8), 255, np.uint8)))
    (line,) = _lines(tmp_path / "r.jsonl")
    assert [(s["category_id"], s["category_name"]) for s in line["segments"]] == [(255, None)]


def test_lines_are_there_before_the_sink_is_closed(tmp_path: Path) -> None:
    sink = JsonLinesSink(tmp_path / "r.jsonl", INSTANCE)
    for count in (1, 2):
        sink.write(FRAME, two_animals())
        assert len(_lines(tmp_path / "r.jsonl")) == count
    sink.close()
    sink.close()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
def test_a_full_disk_is_one_line() -> None:
    with JsonLinesSink(Path("/dev/full"), INSTANCE) as sink:
        with pytest.raises(SinkError, match="cannot write /dev/full: No space left on device") as caught:
            sink.write(FRAME, two_animals())
        assert "\n" not in str(caught.value)


def test_a_disk_that_fills_up_leaves_whole_lines(tmp_path: Path) -> None:
    path, limits = tmp_path / "r.jsonl", resource.getrlimit(resource.RLIMIT_FSIZE)
    with JsonLinesSink(path, INSTANCE) as sink:
        sink.write(FRAME, two_animals())
        line_bytes = path.stat().st_size
        resource.setrlimit(resource.RLIMIT_FSIZE, (line_bytes + line_bytes // 2, limits[1]))
        try:
            with pytest.raises(SinkError, match="cannot write"):
                sink.write(FRAME, two_animals())
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert len(_lines(path)) == 1
        assert path.stat().st_size == line_bytes
        sink.write(FRAME, two_animals())  # there is room again
    assert len(_lines(path)) == 2


def test_a_name_that_is_not_utf_8_is_written_with_a_question_mark(tmp_path: Path) -> None:
    name = os.fsdecode(b"a\xff.png")
    with JsonLinesSink(tmp_path / "r.jsonl", INSTANCE) as sink:
        sink.write(Frame(FRAME.image, 0, 0.0, name), two_animals())
        sink.write(FRAME, two_animals())
    assert [line["name"] for line in _lines(tmp_path / "r.jsonl")] == ["a?.png", "a.png"]


def test_a_line_says_of_which_stream_it_is_and_when_and_how_long_it_took(tmp_path: Path) -> None:
    before = datetime.now(timezone.utc)
    frame = replace(
        FRAME, time_s=time.monotonic() - 60, stream="gate", stages_ms={"infer": 12.34567, "total": 20}
    )
    with JsonLinesSink(tmp_path / "r.jsonl", INSTANCE) as sink:
        sink.write(frame, two_animals())
    (line,) = _lines(tmp_path / "r.jsonl")
    assert (line["stream"], line["latency_ms"]) == ("gate", {"infer": 12.346, "total": 20})
    assert line["time_utc"].endswith("Z")
    captured = datetime.fromisoformat(line["time_utc"].replace("Z", "+00:00"))
    assert abs((before - captured).total_seconds() - 60) < 30
