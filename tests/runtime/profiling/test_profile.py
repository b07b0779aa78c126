from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from edgeseg.errors import SourceError
from edgeseg.frames.results import Result
from edgeseg.machine import this_machine
from edgeseg.runtime import FakeBackend, Segmenter
from edgeseg.runtime.fake import fake_outputs
from edgeseg.runtime.frame import Frame
from edgeseg.runtime.profiling import watch
from edgeseg.runtime.profiling.assembly import Opened
from edgeseg.runtime.profiling.profile import offline_streams, profile, profile_cameras
from edgeseg.runtime.profiling.report import Profile
from edgeseg.runtime.profiling.scenarios import DISTINCT_FRAMES
from edgeseg.runtime.profiling.surroundings import Disturbance, Surroundings
from edgeseg.runtime.sinks.base import Sink
from edgeseg.runtime.sources import open_source
from edgeseg.spec import ModelSpec, OutputSpec
from tests.servers.rtsp import Camera, RtspServer

from ..fakes import SEMANTIC, GreyFrames, bright_pixels


def test_the_report_holds_what_was_promised() -> None:
    backend = FakeBackend(SEMANTIC)
    with open_source("synthetic:64x48") as source:
        report = profile(Segmenter(backend.engine()), source, warmup=2, frames=30, opened=Opened(12.0))
    value = json.loads(json.dumps(report.to_json_value()))
    for name in ("latency_ms", "infer_ms"):
        assert value[name]["samples"] == 30
        assert value[name]["p50"] <= value[name]["p90"] <= value[name]["p99"]
    assert {name: stage["samples"] for name, stage in value["stages"].items()} == {
        "capture": DISTINCT_FRAMES,
        "preprocess": 30,
        "infer": 30,
        "postprocess": 30,
    }
    assert value["throughput_fps"] > 0
    assert value["load_ms"] == 12.0
    assert 1 < value["peak_rss_mb"] < 1e6
    assert value["frame_hw"] == [48, 64]
    assert value["source"] == "synthetic:64x48"
    assert (value["backend"], value["precision"], value["model_sha256"]) == ("fake", "fp32", "0" * 64)
    assert value["machine"]["logical_cores"] >= 1
    assert backend.calls == 2 * (2 + 30)  # warm-up and samples, in both loops


def test_one_image_is_enough() -> None:
    report = profile(bright_pixels(), GreyFrames([200]), warmup=0, frames=5)
    assert (report.distinct_frames, report.latency_ms.samples) == (1, 5)


def test_time_ends_a_loop_after_one_frame_at_the_earliest() -> None:
    report = profile(bright_pixels(), GreyFrames([200]), warmup=0, frames=10**9, seconds=0.0)
    assert report.latency_ms.samples == report.infer_ms.samples == 1


def test_stages_and_the_whole_agree() -> None:
    report = profile(bright_pixels(), GreyFrames(range(9)), warmup=1, frames=1)
    inner = sum(report.stages[name].p50 for name in ("preprocess", "infer", "postprocess"))
    assert inner <= report.latency_ms.p50
    assert report.throughput_fps <= 1000.0 / report.latency_ms.p50


class Sizes(GreyFrames):
    """Frames of two sizes, after an input that could not be read."""

    def read(self) -> Frame | None:
        if not self.skipped:
            self.skipped.append("a.jpg is damaged")
        frame = super().read()
        if frame is None or frame.index % 2:
            return frame
        return dataclasses.replace(frame, image=np.zeros((6, 9, 3), np.uint8))


def test_sizes_of_frames_and_what_could_not_be_read_are_told() -> None:
    report = profile(bright_pixels(), Sizes(range(4)), warmup=0, frames=3)
    assert report.skipped == ("a.jpg is damaged",)
    assert (report.frame_hw, report.sizes_hw) == ((6, 9), ((6, 9), (8, 8)))
    assert report.size == "9x6 to 8x8"
    many = profile_cameras(cameras(SEMANTIC, 2), [Sizes(range(4))], warmup=0, frames=3)
    assert (many.skipped, many.sizes_hw) == (report.skipped, report.sizes_hw)
    same = profile(bright_pixels(), GreyFrames([1]), warmup=0, frames=1)
    assert (same.size, same.skipped) == ("8x8", ())


def test_both_loops_are_watched_each_for_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = iter(["the first was disturbed", "the second was disturbed"])

    def disturbed(seen: Surroundings, clocks_mhz: object) -> tuple[Disturbance, ...]:
        return (Disturbance("others", next(texts), 50.0),)

    monkeypatch.setattr(watch, "disturbances", disturbed)
    report = profile(bright_pixels(), GreyFrames([1]), warmup=0, frames=3)
    assert list(report.watched) == ["latency_ms", "infer_ms"]
    assert "the run was disturbed: the first was disturbed" in report.warnings
    assert "while inference alone was timed, the second was disturbed" in report.warnings


def test_a_source_without_frames_is_an_error() -> None:
    with pytest.raises(SourceError, match="gave no frames"):
        profile(bright_pixels(), GreyFrames([]))


def test_a_live_source_that_ends_too_soon_is_an_error() -> None:
    with pytest.raises(SourceError, match=r"^grey went away after [0-3] frames, before .*: grey stopped"):
        profile(bright_pixels(), GreyFrames(range(3), live=True), frames=10)


def test_a_live_camera_is_measured_from_its_driver_on_and_what_it_drops_is_counted() -> None:
    slow = Segmenter(FakeBackend(SEMANTIC, delay_s=0.15).engine())  # four frames of the camera pass meanwhile
    with RtspServer(Camera(width=160, height=128, fps=30)) as server, open_source(server.url()) as source:
        report = profile(slow, source, warmup=1, frames=4, render=True, opened=Opened(12.0))
    assert (report.live, report.distinct_frames, report.latency_ms.samples) == (True, None, 4)
    assert report.drops >= 4
    assert "driver" in report.meaning["latency_ms"]
    assert report.sink_ms is not None
    assert report.first_result_ms is not None
    assert report.stages["capture"].samples >= 4


def test_progress_is_told_of_every_frame_that_counts() -> None:
    calls: list[None] = []
    profile(bright_pixels(), GreyFrames([1]), warmup=2, frames=3, on_frame=lambda: calls.append(None))
    assert len(calls) == 2 * 3


class Written(Sink):
    """Keeps what it is given."""

    needs_overlay = True

    def __init__(self) -> None:
        self.path = Path("kept")
        self.taken: list[tuple[int, tuple[int, ...] | None]] = []

    def write(self, frame: Frame, result: Result, overlay: np.ndarray | None) -> None:
        self.taken.append((frame.index, None if overlay is None else overlay.shape))

    def close(self) -> None:
        pass


def test_the_way_to_a_sink_is_measured_beyond_the_result() -> None:
    sink = Written()
    report = profile(bright_pixels(), GreyFrames([1, 200]), warmup=1, frames=4, sinks=[sink])
    assert report.sink_ms is not None
    assert report.sink_ms.samples == 4
    pairs = zip(report.samples_ms["latency_ms"], report.samples_ms["sink_ms"], strict=True)
    assert all(result < there for result, there in pairs)
    assert sink.taken == [(number, (8, 8, 3)) for number in range(5)]  # the warm-up too
    assert report.stages["sink"].samples == report.stages["render"].samples == 4
    assert "kept" in report.meaning["sink_ms"]


def test_without_a_sink_the_way_ends_at_the_overlay_if_that_is_asked_for() -> None:
    drawn = profile(bright_pixels(), GreyFrames([1]), warmup=0, frames=3, render=True)
    assert drawn.sink_ms is not None
    assert "sink" not in drawn.stages
    assert "overlay" in drawn.meaning["sink_ms"]
    plain = profile(bright_pixels(), GreyFrames([1]), warmup=0, frames=3)
    assert plain.sink_ms is None
    assert "sink_ms" not in {**plain.meaning, **plain.samples_ms}


def test_the_timeline_shows_the_stages_of_the_first_frames_in_order() -> None:
    report = profile(bright_pixels(), GreyFrames([1]), warmup=3, frames=2)
    assert [(one.stream, one.frame) for one in report.timeline] == [(0, 0), (0, 1)]
    for one in report.timeline:
        assert [span.stage for span in one.spans] == ["preprocess", "infer", "postprocess"]
    starts = [span.start_ms for one in report.timeline for span in one.spans]
    assert starts == sorted(starts)
    assert starts[0] == 0.0


def test_the_first_result_counts_the_opening() -> None:
    report = profile(bright_pixels(), GreyFrames([1]), frames=2, opened=Opened(1000.0, "engine"))
    assert report.first_result_ms is not None
    assert report.first_result_ms > 1000.0
    assert report.engine == "engine"


def test_a_detected_warm_up_says_how_long_it_was() -> None:
    report = profile(bright_pixels(), GreyFrames([1]), frames=2)
    assert report.warmup.frames >= 10
    assert report.warmup.steady is not None
    given = profile(bright_pixels(), GreyFrames([1]), frames=2, warmup=1)
    assert (given.warmup.frames, given.warmup.steady) == (1, None)


def test_too_few_samples_are_warned_of_with_what_to_do() -> None:
    report = profile(bright_pixels(), GreyFrames([1]), frames=70, warmup=0)
    assert "70 samples are too few: p99 needs 662 by MLPerf's count; add --frames 662" in report.warnings


def test_the_report_of_a_run_is_the_same_after_json() -> None:
    report = profile(bright_pixels(), GreyFrames([1]), frames=2, warmup=0, render=True)
    assert Profile.from_json_value(json.loads(json.dumps(report.to_json_value()))) == report


def cameras(spec: ModelSpec, count: int) -> list[Segmenter]:
    engine = FakeBackend(spec).engine()
    return [Segmenter(engine) for _ in range(count)]


def test_cameras_share_the_engine_and_each_frame_counts() -> None:
    report = profile_cameras(cameras(SEMANTIC, 3), [GreyFrames(range(9))], warmup=6, frames=5)
    assert (report.scenario, report.streams, report.warmup.frames) == ("multi-stream", 3, 6)
    assert report.latency_ms.samples == 15
    assert report.stages["infer"].samples == report.stages["postprocess"].samples == 15
    assert report.sink_ms is None
    assert {one.stream for one in report.timeline} <= {0, 1, 2}
    assert "waits for others" in report.meaning["latency_ms"]


def test_offline_fills_the_batches_of_an_engine() -> None:
    batch = 3
    spec = dataclasses.replace(
        SEMANTIC,
        input=dataclasses.replace(SEMANTIC.input, batch=batch),
        outputs=(OutputSpec("labels", "uint8", (batch, 8, 8)),),
    )
    filled: list[int] = []

    def compute(images: np.ndarray) -> Mapping[str, np.ndarray]:
        filled.append(int((images.reshape(batch, -1) > 0).any(axis=1).sum()))
        return fake_outputs(spec, images)

    engine = FakeBackend(spec, compute, delay_s=0.01).engine()
    segmenters = [Segmenter(engine) for _ in range(offline_streams(batch))]
    report = profile_cameras(segmenters, [GreyFrames([200])], scenario="offline", warmup=0, frames=4)
    assert (report.scenario, report.streams, report.batch) == ("offline", 1, batch)
    assert report.latency_ms.samples == 4 * 2 * batch
    assert max(filled) == batch


def test_live_cameras_share_the_engine() -> None:
    mounts = {f"/{number}": Camera(number, width=160, height=128, fps=30) for number in range(2)}
    with (
        RtspServer(mounts) as server,
        open_source(server.url("/0")) as first,
        open_source(server.url("/1")) as second,
    ):
        report = profile_cameras(cameras(SEMANTIC, 2), [first, second], warmup=0, frames=5)
    assert (report.live, report.streams, report.latency_ms.samples) == (True, 2, 10)
    assert "driver" in report.meaning["latency_ms"]


def test_a_live_camera_that_ends_too_soon_is_an_error() -> None:
    sources = [GreyFrames(range(3), live=True) for _ in range(2)]
    with pytest.raises(SourceError, match=r"grey went away after [0-3] frames, before .*(stopped|no frames)"):
        profile_cameras(cameras(SEMANTIC, 2), sources, warmup=0, frames=10)


def test_this_machine_has_a_name_and_cores() -> None:
    machine = this_machine()
    assert machine.cpu
    assert machine.logical_cores >= 1
