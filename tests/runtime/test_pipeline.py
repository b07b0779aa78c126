from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeseg.errors import SinkError, SourceError
from edgeseg.runtime import FakeBackend, Segmenter
from edgeseg.runtime.pipeline import RunInterrupted, run, stream
from edgeseg.runtime.sinks import open_sink
from edgeseg.runtime.sinks.base import Sink
from edgeseg.runtime.sources import open_source

from .fakes import SEMANTIC, GreyFrames, bright_pixels, write_video


class Recorder(Sink):
    """Keeps what it is given; fails at the frame it is told to."""

    path = Path("recorder")

    def __init__(
        self, *, needs_overlay: bool = False, fail_at: int | None = None, fail_to_close: bool = False
    ) -> None:
        self.needs_overlay = needs_overlay
        self.fail_at = fail_at
        self.fail_to_close = fail_to_close
        self.written: list[tuple] = []
        self.closed = False

    def write(self, frame, result, overlay) -> None:
        if frame.index == self.fail_at:
            raise SinkError("the disk is full")
        self.written.append((frame.index, result, overlay))

    def close(self) -> None:
        self.closed = True
        if self.fail_to_close:
            raise SinkError("the disk is full")


def test_stream_gives_frames_with_their_results() -> None:
    pairs = list(stream(GreyFrames([0, 200, 100]), bright_pixels()))
    assert [(frame.index, int(result.labels.max())) for frame, result in pairs] == [(0, 0), (1, 1), (2, 0)]


def test_stream_opens_and_closes_a_source_given_as_text(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mp4", 5)
    assert len(list(stream(str(path), bright_pixels()))) == 5
    before = set(threading.enumerate())
    for _ in stream(str(path), bright_pixels()):
        break
    assert not set(threading.enumerate()) - before


def test_a_live_source_that_ends_is_an_error_unless_it_was_closed() -> None:
    source = GreyFrames([0, 200], live=True)
    seen = []
    with pytest.raises(SourceError, match="grey stopped sending; check camera and network"):
        seen.extend(stream(source, bright_pixels(), policy="every"))
    assert len(seen) == 2
    closed = GreyFrames([0, 200], live=True)
    for _ in stream(closed, bright_pixels(), policy="every"):
        closed.close()


def test_run_writes_every_frame_of_a_recording_in_order() -> None:
    sink, source = Recorder(), GreyFrames(range(0, 250, 10))
    seen: list[int] = []
    report = run(source, bright_pixels(), [sink], on_frame=lambda frame, _: seen.append(frame.index))
    assert [index for index, _, _ in sink.written] == seen == list(range(25))
    assert sink.closed
    assert not source.closed  # whoever opened it closes it
    assert (report.frames, report.drops, report.skipped) == (25, 0, ())
    assert report.latency_ms is not None
    assert report.latency_ms.samples == 25
    assert report.fps == pytest.approx(25 / report.seconds)
    assert list(report.stages) == ["capture", "preprocess", "infer", "postprocess", "sink"]
    assert {summary.samples for summary in report.stages.values()} == {25}


def test_overlays_are_drawn_only_where_a_sink_wants_them() -> None:
    plain, wanting = Recorder(), Recorder(needs_overlay=True)
    report = run(GreyFrames([200]), bright_pixels(), [plain])
    assert "render" not in report.stages
    assert plain.written[0][2] is None
    report = run(GreyFrames([200]), bright_pixels(), [wanting])
    assert report.stages["render"].samples == 1
    assert wanting.written[0][2].shape == (8, 8, 3)


def test_frames_limit_the_run() -> None:
    sink = Recorder()
    assert run(GreyFrames(range(100)), bright_pixels(), [sink], frames=3).frames == 3
    assert len(sink.written) == 3
    assert run(GreyFrames(range(100)), bright_pixels(), frames=0).latency_ms is None


def test_latest_counts_what_it_drops() -> None:
    source = GreyFrames(range(100), live=True)
    report = run(source, bright_pixels(on_infer=lambda: source.exhausted.wait(60)))
    assert report.frames <= 2  # the one in work, and the newest
    assert report.frames + report.drops == 100


def test_a_failing_sink_ends_the_run_and_the_others_are_closed() -> None:
    good, bad = Recorder(), Recorder(fail_at=1)
    backend = FakeBackend(SEMANTIC)
    with pytest.raises(SinkError, match="the disk is full"):
        run(GreyFrames(range(100)), Segmenter(backend.engine()), [good, bad])
    assert good.closed
    assert bad.closed
    assert backend.calls < 100


def test_a_sink_that_fails_at_the_last_frame_is_not_missed() -> None:
    with pytest.raises(SinkError, match="the disk is full"):
        run(GreyFrames(range(3)), bright_pixels(), [Recorder(fail_at=2)])


@pytest.mark.parametrize("source", ["nowhere.mp4", GreyFrames([])])
def test_sinks_are_closed_when_the_source_fails(source) -> None:
    sink = Recorder()
    with pytest.raises(SourceError):
        run(source, bright_pixels(), [sink])
    assert sink.closed


def test_inputs_that_could_not_be_read_are_reported(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "1.png"), np.zeros((4, 4, 3), np.uint8))
    (tmp_path / "2.png").touch()
    report = run(str(tmp_path), bright_pixels())
    assert report.frames == 1
    assert len(report.skipped) == 1


def test_ctrl_c_leaves_readable_output_and_a_report(tmp_path: Path) -> None:
    source = open_source(write_video(tmp_path / "in.mp4", 40))
    sinks = [open_sink(tmp_path / name, SEMANTIC, source) for name in ("out.mp4", "out.jsonl")]

    def press_ctrl_c(frame, _) -> None:
        if frame.index == 9:
            raise KeyboardInterrupt

    with pytest.raises(RunInterrupted) as caught:
        run(source, bright_pixels(), sinks, on_frame=press_ctrl_c)
    source.close()
    assert isinstance(caught.value, KeyboardInterrupt)
    assert caught.value.report.frames == 10
    assert len([json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]) == 10
    with open_source(tmp_path / "out.mp4") as video:
        assert len(list(video)) == 10


def test_ctrl_c_does_not_hide_what_went_wrong_with_a_sink() -> None:
    def press_ctrl_c(*_) -> None:
        raise KeyboardInterrupt

    good = Recorder()
    with pytest.raises(RunInterrupted) as caught:
        run(GreyFrames([1]), bright_pixels(), [Recorder(fail_to_close=True), good], on_frame=press_ctrl_c)
    assert str(caught.value.sink_error) == "the disk is full"
    assert good.closed
    with pytest.raises(RunInterrupted) as caught:
        run(GreyFrames([1]), bright_pixels(), [good], on_frame=press_ctrl_c)
    assert caught.value.sink_error is None
    assert not caught.value.report.source_ended


def test_the_report_says_whether_the_source_ended() -> None:
    assert run(GreyFrames([1, 2]), bright_pixels()).source_ended
    assert not run(GreyFrames([1, 2]), bright_pixels(), frames=2).source_ended


@pytest.mark.usefixtures("children_hear_signals")
def test_a_real_signal_ends_a_run_cleanly(tmp_path: Path) -> None:
    program = """
import sys
from edgeseg.runtime.pipeline import RunInterrupted, run
from edgeseg.runtime.sinks import open_sink
from edgeseg.runtime.sources import open_source
sys.path.insert(0, sys.argv[1])
from fakes import SEMANTIC, bright_pixels
with open_source("synthetic:64x48") as source:
    sinks = [open_sink(f"{sys.argv[2]}/{name}", SEMANTIC, source) for name in ("out.mp4", "out.jsonl")]
    tell = lambda frame, _: print(frame.index, flush=True)
    try:
        run(source, bright_pixels(), sinks, on_frame=tell)
    except RunInterrupted as interrupt:
        print("frames", interrupt.report.frames)
"""
    child = subprocess.Popen(
        [sys.executable, "-c", program, str(Path(__file__).parent), str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    for line in child.stdout:
        if line.strip() == "5":
            break
    os.kill(child.pid, signal.SIGINT)
    rest, _ = child.communicate(timeout=60)
    assert child.returncode == 0
    frames = int(rest.split()[-1])
    lines = (tmp_path / "out.jsonl").read_text().splitlines()
    assert frames - 1 <= len(lines) <= frames  # the signal may come between a result and its hand-over
    assert [json.loads(line)["index"] for line in lines] == list(range(len(lines)))
    with open_source(tmp_path / "out.mp4") as video:
        assert len(list(video)) == len(lines)
