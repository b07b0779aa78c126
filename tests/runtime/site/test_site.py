from __future__ import annotations

import dataclasses
import gc
import json
import time
import weakref
from collections.abc import Callable
from pathlib import Path

import pytest

from edgeseg.runtime.settings import SiteSettings, StreamSettings
from edgeseg.runtime.site.site import Site

pytest.importorskip("onnx", reason="needs onnx, which makes the engine")
pytest.importorskip("onnxruntime", reason="needs ONNX Runtime")

from ..tiny_models import instance_engine, labels_engine

DEADLINE_S = 30.0


@pytest.fixture
def settings(tmp_path: Path) -> SiteSettings:
    """A site of one stream that writes `r.jsonl` and `r.json`."""
    outputs = (str(tmp_path / "r.jsonl"), str(tmp_path / "r.json"))
    stream = StreamSettings("synthetic:64x48", name="one", outputs=outputs)
    return SiteSettings(str(labels_engine(tmp_path / "engine")), (stream,))


def _changed(settings: SiteSettings) -> SiteSettings:
    """The same site with another setting of its stream, which starts anew therefore."""
    (stream,) = settings.streams
    again = dataclasses.replace(stream, stall_timeout_s=stream.stall_timeout_s + 1)
    return dataclasses.replace(settings, streams=(again,))


def _wait_for(condition: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.02)


def test_what_a_stream_wrote_stays_when_it_is_started_anew(settings: SiteSettings, tmp_path: Path) -> None:
    with Site(settings) as site:
        _wait_for(lambda: site.status()[0].results > 2)
        site.reload(_changed(settings))
        _wait_for(lambda: len(list(tmp_path.glob("r-*.jsonl"))) == 1)
        _wait_for(lambda: site.status()[0].results > 2)
    for path in (tmp_path / "r.jsonl", *tmp_path.glob("r-*.jsonl")):
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        assert [line["index"] for line in lines] == list(range(len(lines)))
        assert lines
    assert len(list(tmp_path.glob("r*.json"))) == 2


def test_a_stream_that_is_started_anew_leaves_nothing_in_memory(settings: SiteSettings) -> None:
    with Site(settings) as site:
        _wait_for(lambda: site.status()[0].results > 2)
        before = weakref.ref(site.running[0].stream)
        gc.collect()
        gc.disable()
        try:
            site.reload(_changed(settings))
            _wait_for(lambda: before() is None)
        finally:
            gc.enable()


def test_another_engine_takes_over_without_a_gap(settings: SiteSettings, tmp_path: Path) -> None:
    other = labels_engine(tmp_path / "other", (64, 96))
    with Site(settings) as site:
        _wait_for(lambda: site.status()[0].results > 2)
        done = site.reload(dataclasses.replace(settings, engine=str(other)))
        assert (done.kept, done.restarted, done.engine) == (("one",), (), True)
        assert site.engine.spec.input.width == 96
        before = site.status()[0].results
        _wait_for(lambda: site.status()[0].results > before + 2)
    lines = [json.loads(line) for line in (tmp_path / "r.jsonl").read_text().splitlines()]
    assert [line["index"] for line in lines] == list(range(len(lines)))


def test_an_engine_with_other_results_starts_streams_anew(settings: SiteSettings, tmp_path: Path) -> None:
    other = instance_engine(tmp_path / "other", [[1, 1, 9, 9]], [0.9])
    with Site(settings) as site:
        _wait_for(lambda: site.status()[0].results > 2)
        done = site.reload(dataclasses.replace(settings, engine=str(other)))
        assert done.restarted == ("one",)
        _wait_for(lambda: site.status()[0].results > 2)
    assert len(list(tmp_path.glob("r*.jsonl"))) == 2
