from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from edgeseg.errors import EngineError, SourceError, UsageError
from edgeseg.frames.results import Result
from edgeseg.runtime import FakeBackend, Segmenter
from edgeseg.runtime.frame import Frame
from edgeseg.runtime.sources.base import Source
from edgeseg.runtime.status import DropCause, SourceState
from edgeseg.runtime.streams.stream import Stream
from edgeseg.runtime.streams.streams import Streams
from edgeseg.spec import ModelSpec
from tests.runtime.specs import instances_spec, labels_spec

from .cameras import Camera, until

SIZE_HW = (16, 16)


def spec_of(batch: int = 1) -> ModelSpec:
    """Labels of a class a value: the result shows which frame it is of."""
    spec = labels_spec(SIZE_HW, batch=batch)
    return replace(spec, class_names=tuple(f"{value}" for value in range(200)), palette_rgb=())


def echo(images: np.ndarray) -> Mapping[str, np.ndarray]:
    return {"labels": images[..., 0].copy()}


class Numbered(Source):
    """Frames whose pixels tell stream and index: `base` + index, modulo 200."""

    def __init__(self, base: int, count: int, *, fps: float | None = None, live: bool = False) -> None:
        super().__init__()
        self.name, self.base, self.live, self.fps = f"numbered {base}", base, live, fps
        self.frame_count = count
        self._position = 0

    def read(self) -> Frame | None:
        if self._position == self.frame_count or self.closed:
            return None
        if self.live and self.fps:
            time.sleep(1 / self.fps)
        image = np.full((*SIZE_HW, 3), value_of(self.base, self._position), np.uint8)
        self._position += 1
        return Frame(image, self._position - 1, time.monotonic())


def value_of(base: int, index: int) -> int:
    return (base + index) % 200


class Kept:
    """Keeps a stream's results, and whether each is of its frame."""

    def __init__(self, base: int) -> None:
        self.base = base
        self.indices: list[int] = []
        self.wrong = 0

    def __call__(self, frame: Frame, result: Result) -> None:
        self.indices.append(frame.index)
        self.wrong += set(np.unique(result.labels)) != {value_of(self.base, frame.index)}


def segmenter(backend: FakeBackend) -> Callable[[], Segmenter]:
    engine = backend.engine()
    return lambda: Segmenter(engine)


@pytest.mark.parametrize("batch", [1, 3])
def test_no_result_is_of_another_stream_or_frame(batch: int) -> None:
    make = segmenter(FakeBackend(spec_of(batch), echo))
    kept = [Kept(31 * number) for number in range(6)]
    with Streams(make().engine) as streams:
        for number, one in enumerate(kept):
            source = Numbered(one.base, 40 + number)
            streams.add(Stream(f"s{number}", source, make(), on_result=one))
        assert streams.wait(60)
        status = streams.status()
    assert [one.wrong for one in kept] == [0] * 6
    assert [one.indices for one in kept] == [list(range(40 + number)) for number in range(6)]
    assert [one.results for one in status] == [40 + number for number in range(6)]


def test_frames_that_wait_share_a_batch() -> None:
    backend = FakeBackend(spec_of(4), echo, delay_s=0.01)
    make = segmenter(backend)
    with Streams(make().engine) as streams:
        for number in range(4):
            streams.add(Stream(f"s{number}", Numbered(number, 25), make()))
        assert streams.wait(60)
    assert backend.calls < 60  # 100 frames


def test_a_batch_does_not_wait_for_a_camera_that_is_silent() -> None:
    make = segmenter(FakeBackend(spec_of(4), echo))
    silent = Camera()
    with Streams(make().engine) as streams:
        streams.add(Stream("silent", silent, make()))
        streams.add(Stream("recording", Numbered(0, 200), make()))
        until(lambda: streams.status()[1].results == 200)
        assert streams.status()[0].results == 0


def test_streams_that_always_have_a_frame_get_equal_shares() -> None:
    make = segmenter(FakeBackend(spec_of(), echo, delay_s=0.002))
    with Streams(make().engine) as streams:
        for number in range(3):
            streams.add(Stream(f"s{number}", Numbered(number, 10_000), make()))
        until(lambda: sum(one.results for one in streams.status()) >= 150)
        counts = [one.results for one in streams.status()]
    assert max(counts) - min(counts) < 0.3 * max(counts)


def test_a_slow_callback_holds_up_its_own_stream_only() -> None:
    make = segmenter(FakeBackend(spec_of(), echo))
    go_on = threading.Event()
    with Streams(make().engine) as streams:
        streams.add(Stream("held", Numbered(0, 50), make(), on_result=lambda *_: go_on.wait(60)))
        streams.add(Stream("free", Numbered(0, 50), make()))
        until(lambda: streams.status()[1].results == 50)
        assert streams.status()[0].results == 1
        go_on.set()
        assert streams.wait(60)
        assert streams.status()[0].results == 50


def test_streams_come_and_go_while_others_run() -> None:
    make = segmenter(FakeBackend(spec_of(), echo, delay_s=0.001))
    kept = Kept(0)
    with Streams(make().engine) as streams:
        streams.add(Stream("stays", Numbered(0, 300), make(), on_result=kept))
        for number in range(5):
            seen = Kept(7)
            streams.add(Stream("comes", Numbered(7, 10_000), make(), on_result=seen))
            until(lambda seen=seen: len(seen.indices) > 3)
            streams.remove("comes")
            assert (seen.wrong, seen.indices) == (0, list(range(len(seen.indices)))), number
            assert [one.name for one in streams.status()] == ["stays"]
        assert streams.wait(60)
    assert (kept.wrong, kept.indices) == (0, list(range(300)))


def test_names_are_unique_and_segmenters_are_on_the_engine() -> None:
    make, other = segmenter(FakeBackend(spec_of(), echo)), segmenter(FakeBackend(spec_of(), echo))
    with Streams(make().engine) as streams:
        streams.add(Stream("a", Numbered(0, 1), make()))
        with pytest.raises(UsageError, match="two streams named 'a'"):
            streams.add(Stream("a", Numbered(0, 1), make()))
        with pytest.raises(UsageError, match="another engine"):
            streams.add(Stream("b", Numbered(0, 1), other()))
        with pytest.raises(UsageError, match="no stream named 'c'; there are a"):
            streams.remove("a", "c")
        assert [one.name for one in streams.status()] == ["a"]


@pytest.mark.parametrize(("batch", "after"), [(1, 1), (1, 3), (3, 1)])
def test_another_engine_takes_over_between_two_frames(batch: int, after: int) -> None:
    def inverse(images: np.ndarray) -> Mapping[str, np.ndarray]:
        return {"labels": 199 - images[..., 0]}

    first, second = FakeBackend(spec_of(batch), echo, delay_s=0.002), FakeBackend(spec_of(after), inverse)
    old, new = first.engine(), second.engine()
    seen: dict[str, list[tuple[int, int]]] = {"a": [], "b": []}
    with Streams(old) as streams:
        for name, results in seen.items():
            keep = lambda frame, result, results=results: results.append(  # noqa: E731
                (frame.index, int(result.labels.max()))
            )
            streams.add(Stream(name, Numbered(0, 400), Segmenter(old), on_result=keep))
        until(lambda: all(len(results) > 20 for results in seen.values()))
        streams.replace(new, {name: Segmenter(new) for name in seen})
        calls = first.calls
        old.close()
        assert streams.wait(60)
        assert first.calls == calls
    for results in seen.values():
        assert [index for index, _ in results] == list(range(400))
        by_new = [label == 199 - value_of(0, index) for index, label in results]
        at = by_new.index(True)
        assert 20 < at < 400
        assert all(by_new[at:])
        assert all(label == value_of(0, index) for index, label in results[:at])


def test_another_engine_takes_over_while_no_frame_comes() -> None:
    old, new = FakeBackend(spec_of(), echo).engine(), FakeBackend(spec_of(), echo).engine()
    camera = Camera()
    with Streams(old) as streams:
        streams.add(Stream("camera", camera, Segmenter(old)))
        camera.send()
        until(lambda: streams.status()[0].results == 1)
        streams.replace(new, {"camera": Segmenter(new)})
        old.close()
        camera.send()
        until(lambda: streams.status()[0].results == 2)


def test_streams_do_not_go_on_with_results_of_another_kind() -> None:
    old = FakeBackend(spec_of(), echo).engine()
    with Streams(old) as streams:
        streams.add(Stream("a", Numbered(0, 1), Segmenter(old)))
        for spec, reason in (
            (labels_spec(SIZE_HW), "its classes are others"),
            (instances_spec(None, SIZE_HW, mask_size=4), "it gives instance results"),
        ):
            other = FakeBackend(spec).engine()
            with pytest.raises(UsageError, match=reason):
                streams.replace(other, {"a": Segmenter(other)})
        with pytest.raises(UsageError, match="a segmenter on the other engine for a"):
            streams.replace(FakeBackend(spec_of(), echo).engine(), {"a": Segmenter(old)})
        assert streams.wait(60)


def test_each_stream_has_its_own_thresholds() -> None:
    backend = FakeBackend(instances_spec(None, SIZE_HW, mask_size=4))
    engine = backend.engine()
    found: dict[str, int] = {}
    with Streams(engine) as streams:
        for name, threshold in (("all", 0.5), ("none", 0.95)):
            own = Segmenter(engine, score_threshold=threshold)
            keep = lambda _, result, name=name: found.update({name: len(result.scores)})  # noqa: E731
            streams.add(Stream(name, Numbered(150, 1), own, on_result=keep))
        assert streams.wait(60)
    assert found == {"all": 1, "none": 0}


def test_filters_change_results_in_order() -> None:
    make = segmenter(FakeBackend(spec_of(), echo))
    seen: list[int] = []

    def count(frame: Frame, result: Result) -> Result:
        seen.append(frame.index)
        return result

    def blank(_: Frame, result: Result) -> Result:
        return replace(result, labels=np.zeros_like(result.labels))

    labels: list[int] = []
    with Streams(make().engine) as streams:
        keep = lambda _, result: labels.append(int(result.labels.max()))  # noqa: E731
        streams.add(Stream("a", Numbered(1, 20), make(), filters=(count, blank), on_result=keep))
        assert streams.wait(60)
        assert streams.status()[0].stages["filter"].samples == 20
    assert (seen, labels) == (list(range(20)), [0] * 20)


def failing_at(index: int) -> Callable[[Frame, Result], Result]:
    def one(frame: Frame, result: Result) -> Result:
        if frame.index == index:
            raise ValueError("no such thing")
        return result

    return one


def test_a_recording_fails_with_the_first_error_and_others_go_on() -> None:
    make = segmenter(FakeBackend(spec_of(), echo))
    bad = Stream("bad", Numbered(0, 50), make(), filters=(failing_at(3),))
    with Streams(make().engine) as streams:
        streams.add(bad)
        streams.add(Stream("good", Numbered(0, 50), make()))
        assert streams.wait(60)
        status = streams.status()
    assert isinstance(bad.error, ValueError)
    assert (status[0].results, status[0].error) == (3, "no such thing")
    assert status[0].source.drops[DropCause.FAILED] == 1
    assert (status[1].results, status[1].error) == (50, "")


def test_a_camera_goes_on_after_an_error() -> None:
    make = segmenter(FakeBackend(spec_of(), echo))
    camera = Camera()
    with Streams(make().engine) as streams:
        streams.add(Stream("camera", camera, make(), filters=(failing_at(1),)))
        for count in range(1, 4):
            camera.send()
            until(
                lambda count=count: (
                    streams.status()[0].results + streams.status()[0].source.drops.get(DropCause.FAILED, 0)
                    == count
                )
            )
        status = streams.status()[0]
    assert (status.results, status.source.drops) == (2, {DropCause.FAILED: 1})
    assert status.error == "frame 1: no such thing"


def test_an_engine_that_fails_for_good_ends_all_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: np.ndarray) -> Mapping[str, Any]:
        raise EngineError("the device is gone")

    monkeypatch.setattr("edgeseg.runtime.streams.failures.FAILING_S", 0.2)
    make = segmenter(FakeBackend(spec_of(2), fail))
    both = [Stream(name, Numbered(0, 10_000, fps=100, live=True), make()) for name in "ab"]
    with Streams(make().engine) as streams:
        for one in both:
            streams.add(one)
        assert streams.wait(60)
    assert [str(one.error) for one in both] == ["the device is gone"] * 2


def test_a_source_that_fails_is_its_streams_error() -> None:
    make = segmenter(FakeBackend(spec_of(), echo))
    gone = Stream("gone", "nowhere.mp4", make())
    with Streams(make().engine) as streams:
        streams.add(gone)
        assert streams.wait(60)
        assert "nowhere.mp4" in streams.status()[0].error
    assert isinstance(gone.error, SourceError)


def test_every_frame_is_accounted_for() -> None:
    make = segmenter(FakeBackend(spec_of(), echo, delay_s=0.01))
    with Streams(make().engine) as streams:
        for number in range(2):
            streams.add(Stream(f"s{number}", Numbered(0, 10_000, fps=300, live=True), make()))
        until(lambda: all(one.results > 10 for one in streams.status()))
    for one in streams.status():
        lost = sum(one.source.drops.values())
        assert one.results + lost + one.source.waiting == one.source.offered
        assert one.source.drops[DropCause.BUSY] > 0
        assert one.source.state is SourceState.ENDED


class Late(Numbered):
    """Its frames are old when they come."""

    def read(self) -> Frame | None:
        frame = super().read()
        return None if frame is None else replace(frame, time_s=frame.time_s - 10)


def test_a_camera_over_its_budget_gives_fewer_frames_and_says_so() -> None:
    make = segmenter(FakeBackend(spec_of(), echo))
    late = Stream("late", Late(0, 100_000, fps=500, live=True), make(), budget_ms=9000)
    with Streams(make().engine) as streams:
        streams.add(late)
        until(lambda: "an eighth of the rate" in streams.status()[0].shed)
        before = streams.status()[0].source.drops.get(DropCause.SHED, 0)
        until(lambda: streams.status()[0].source.drops.get(DropCause.SHED, 0) > before + 20)
    status = late.status()
    assert status.results + sum(status.source.drops.values()) + status.source.waiting == status.source.offered
    assert late.shed()[-1].startswith("a lower rate in ")


def test_a_recording_over_its_budget_loses_no_frame() -> None:
    make = segmenter(FakeBackend(spec_of(), echo))
    kept = Kept(0)
    one = Stream("s", Numbered(0, 60), make(), budget_ms=1e-6, on_result=kept)
    with Streams(make().engine) as streams:
        streams.add(one)
        assert streams.wait(60)
    assert kept.indices == list(range(60))
    assert one.shed() == ()  # without a CRF and an overlay there is nothing to do less of


def test_the_last_frame_of_a_recording_that_plays_is_taken_at_a_lower_rate_too() -> None:
    make = segmenter(FakeBackend(spec_of(), echo))
    with Streams(make().engine) as streams:
        streams.add(Stream("s", Late(0, 60, fps=200), make(), policy="latest", budget_ms=9000))
        assert streams.wait(60)


@pytest.mark.parametrize("step", ["_choose", "_give_back"])
def test_a_thread_that_dies_ends_all_streams_with_its_error(
    monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a bug")

    make = segmenter(FakeBackend(spec_of(), echo))
    both = [Stream(name, Numbered(0, 1_000_000), make()) for name in "ab"]
    after = Stream("after", Numbered(0, 1_000_000), make())
    with Streams(make().engine) as streams:
        for one in both:
            streams.add(one)
        until(lambda: all(one.results for one in both))
        monkeypatch.setattr(streams, step, broken)
        assert streams.wait(60)
        streams.add(after)
        assert streams.wait(60)
    assert [str(one.error) for one in (*both, after)] == ["a bug"] * 3


def test_no_frame_under_overload_takes_two_and_a_half_inferences() -> None:
    infer_s = 0.3  # so long that what else the machine does counts for little
    make = segmenter(FakeBackend(spec_of(), echo, delay_s=infer_s))
    took_s: list[float] = []
    keep = lambda frame, _: took_s.append(time.monotonic() - frame.time_s)  # noqa: E731
    with Streams(make().engine) as streams:
        for number in range(4):
            source = Numbered(0, 10_000, fps=30, live=True)
            streams.add(Stream(f"s{number}", source, make(), on_result=keep))
        until(lambda: len(took_s) >= 16)
    assert max(took_s) < 2.5 * infer_s


def test_closing_takes_two_seconds_whatever_hangs() -> None:
    make = segmenter(FakeBackend(spec_of(), echo))
    for_ever = threading.Event()
    streams = Streams(make().engine)
    with streams:
        streams.add(Stream("silent", Camera(), make()))
        streams.add(Stream("held", Numbered(0, 9), make(), on_result=lambda *_: for_ever.wait(60)))
        until(lambda: streams.status()[1].results == 1)
        began_s = time.monotonic()
    assert time.monotonic() - began_s < 4  # 2 s, on a machine that does other things
    for_ever.set()


def test_many_that_hang_are_removed_at_once() -> None:
    make = segmenter(FakeBackend(spec_of(), echo))
    cameras = {name: Camera() for name in ("one", "two", "three", "four", "five")}
    with Streams(make().engine) as streams:
        for name, camera in cameras.items():
            streams.add(Stream(name, camera, make()))
            camera.send()
        until(lambda: all(one.results == 1 for one in streams.status()))
        began_s = time.monotonic()
        streams.remove(*cameras)
        assert time.monotonic() - began_s < 4  # 2 s, one after another it would be 8
        assert streams.status() == ()


def test_no_thread_is_left() -> None:
    before = set(threading.enumerate())
    make = segmenter(FakeBackend(spec_of(), echo))
    with Streams(make().engine) as streams:
        streams.add(Stream("a", Numbered(0, 10_000), make()))
        until(lambda: streams.status()[0].results > 2)
    assert set(threading.enumerate()) <= before
