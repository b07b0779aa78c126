from __future__ import annotations

import json

import pytest

from edgeseg.errors import SourceError
from edgeseg.machine import this_machine
from edgeseg.runtime import FakeBackend, Segmenter
from edgeseg.runtime.profiling.profile import DISTINCT_FRAMES, profile
from edgeseg.runtime.sources import open_source

from ..fakes import SEMANTIC, GreyFrames, bright_pixels


def test_the_report_holds_what_was_promised() -> None:
    backend = FakeBackend(SEMANTIC)
    with open_source("synthetic:64x48") as source:
        report = profile(Segmenter(backend.engine()), source, warmup=2, frames=30, load_ms=12.0)
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
    assert value["source"] == "synthetic:"
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


def test_a_source_without_frames_is_an_error() -> None:
    with pytest.raises(SourceError, match="gave no frames"):
        profile(bright_pixels(), GreyFrames([]))


def test_a_live_source_that_ends_too_soon_is_an_error() -> None:
    with pytest.raises(SourceError, match="ended before the measurement"):
        profile(bright_pixels(), GreyFrames(range(3), live=True), frames=10)


def test_progress_is_told_of_every_frame() -> None:
    calls: list[None] = []
    profile(bright_pixels(), GreyFrames([1]), warmup=2, frames=3, on_frame=lambda: calls.append(None))
    assert len(calls) == 2 * (2 + 3)


def test_this_machine_has_a_name_and_cores() -> None:
    machine = this_machine()
    assert machine.cpu
    assert machine.logical_cores >= 1
