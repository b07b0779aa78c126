from __future__ import annotations

import json
import os
import time
from pathlib import Path

import numpy as np
import pytest

from edgeseg.errors import SinkError
from edgeseg.frames.results import SemanticResult
from edgeseg.runtime.frame import Frame
from edgeseg.runtime.sinks import open_sink
from edgeseg.runtime.sinks.amounts import Amount
from edgeseg.runtime.sinks.parts import parts_of, remove_oldest
from edgeseg.runtime.sources import open_source

from ..fakes import SEMANTIC, GreyFrames

RESULT = SemanticResult(np.zeros((48, 64), np.uint8))
LIVE = GreyFrames([1], live=True, fps=10.0)


def _frame(index: int) -> Frame:
    return Frame(np.zeros((48, 64, 3), np.uint8), index, 100.0 + index / 10)


def _picture(index: int) -> np.ndarray:
    return np.full((48, 64, 3), index, np.uint8)


def _counts(folder: Path, name: str) -> list[int]:
    counts = []
    for part in parts_of(folder / name):
        with open_source(part) as video:
            counts.append(len(list(video)))
    return counts


def test_a_video_is_cut_by_time_into_videos(tmp_path: Path) -> None:
    with open_sink(tmp_path / "out.mp4", SEMANTIC, LIVE, rotate=Amount(2.0)) as sink:
        for index in range(50):
            sink.write(_frame(index), RESULT, _picture(index))
    assert _counts(tmp_path, "out.mp4") == [20, 20, 10]
    assert not (tmp_path / "out.mp4").exists()


def test_lines_are_cut_by_size_and_none_is_missing(tmp_path: Path) -> None:
    with open_sink(tmp_path / "out.jsonl", SEMANTIC, LIVE, rotate=Amount(None, 1000)) as sink:
        for index in range(40):
            sink.write(_frame(index), RESULT, None)
    parts = parts_of(tmp_path / "out.jsonl")
    assert len(parts) > 5
    assert all(part.stat().st_size < 1500 for part in parts)
    lines = [json.loads(line) for part in parts for line in part.read_text().splitlines()]
    assert [line["index"] for line in lines] == list(range(40))


def test_a_recording_is_cut_by_its_own_time(tmp_path: Path) -> None:
    with open_sink(tmp_path / "out.jsonl", SEMANTIC, GreyFrames([1]), rotate=Amount(1.0)) as sink:
        for index in range(25):
            frame = Frame(np.zeros((48, 64, 3), np.uint8), index, 0.0, media_s=index / 10)
            sink.write(frame, RESULT, None)
    assert [len(part.read_text().splitlines()) for part in parts_of(tmp_path / "out.jsonl")] == [10, 10, 5]


def test_the_oldest_parts_of_this_output_go_and_nothing_else(tmp_path: Path) -> None:
    others = ["out-20200101T000000Z.jsonl", "other-20200101T000000Z.mp4", "out-mine.mp4", "out.mp4"]
    for name in others:
        (tmp_path / name).write_bytes(bytes(1000))
    parts = [f"out-20200101T00000{second}Z.mp4" for second in range(5)]
    for name in parts:
        (tmp_path / name).write_bytes(bytes(1000))
    (tmp_path / "out-20190101T000000Z.mp4").symlink_to(tmp_path / "out.mp4")
    remove_oldest(tmp_path / "out.mp4", Amount(None, 2500), current=tmp_path / parts[-1])
    assert [part.name for part in parts_of(tmp_path / "out.mp4")] == parts[3:]
    assert {path.name for path in tmp_path.iterdir()} == {*others, *parts[3:], "out-20190101T000000Z.mp4"}


def test_parts_that_are_too_old_go_but_never_the_one_that_is_written(tmp_path: Path) -> None:
    old, new, current = (tmp_path / f"out-2020010{day}T000000Z.mp4" for day in (1, 2, 3))
    for path, age_s in ((old, 7200), (new, 60), (current, 7200)):
        path.touch()
        os.utime(path, (time.time() - age_s,) * 2)
    remove_oldest(tmp_path / "out.mp4", Amount(3600.0), current=current)
    assert parts_of(tmp_path / "out.mp4") == [new, current]


def test_what_is_kept_has_a_bound_while_it_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgeseg.runtime.sinks.parts.LOOK_S", 0.0)
    keep = Amount(None, 5000)
    with open_sink(tmp_path / "out.jsonl", SEMANTIC, LIVE, rotate=Amount(None, 1000), keep=keep) as sink:
        for index in range(100):
            sink.write(_frame(index), RESULT, None)
            assert sum(part.stat().st_size for part in parts_of(tmp_path / "out.jsonl")) <= 5000
    last = parts_of(tmp_path / "out.jsonl")[-1].read_text().splitlines()[-1]
    assert json.loads(last)["index"] == 99


def test_a_live_video_goes_on_in_another_file_after_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "out.mp4"
    with open_sink(path, SEMANTIC, LIVE) as sink:
        for index in range(15):
            sink.write(_frame(index), RESULT, _picture(index))
        with monkeypatch.context() as full:
            full.setattr("edgeseg.runtime.sinks.video.RESERVE_BYTES", 1 << 62)
            for index in (15, 16):
                with pytest.raises(SinkError, match="the disk is full"):
                    sink.write(_frame(index), RESULT, _picture(index))
        for index in range(17, 30):
            sink.write(_frame(index), RESULT, _picture(index))
    with open_source(path) as video:
        assert len(list(video)) == 15
    assert _counts(tmp_path, "out.mp4") == [13]
    assert not list(tmp_path.glob(".*"))


def test_two_runs_do_not_write_the_parts_of_one_output(tmp_path: Path) -> None:
    pytest.importorskip("fcntl")
    with (
        open_sink(tmp_path / "out.jsonl", SEMANTIC, LIVE, rotate=Amount(1.0)),
        pytest.raises(SinkError, match="another run writes"),
    ):
        open_sink(tmp_path / "out.jsonl", SEMANTIC, LIVE, rotate=Amount(1.0))


def test_what_the_run_reads_is_not_removed(tmp_path: Path) -> None:
    """An earlier part played as a source must not vanish under it."""
    read, other = (tmp_path / f"out-20200101T00000{second}Z.jsonl" for second in (1, 2))
    beside = tmp_path / "out-20200101T000003Z.jsonl"
    for path in (read, other, beside):
        path.write_text("old")
        os.utime(path, (0, 0))
    source = GreyFrames([1], live=True, fps=10.0)
    source.files = (read,)
    keep = Amount(3600.0)
    with open_sink(tmp_path / "out.jsonl", SEMANTIC, source, rotate=keep, keep=keep, spared=[beside]) as sink:
        sink.write(_frame(0), RESULT, None)
    assert read.exists()
    assert beside.exists()
    assert not other.exists()
