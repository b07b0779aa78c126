"""Spans of a video together are the video: each frame once, the same pixels, time and place."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeseg.batch import spans
from edgeseg.batch.piece import Span
from edgeseg.batch.spans import Picture, spans_of, split
from edgeseg.runtime.sources.video import VideoSource
from tests.batch.archives import write_video

TICK = Fraction(1)  # a second


def test_key_frames_that_are_close_together_are_no_cuts() -> None:
    pictures = [Picture(second, second % 8 == 0) for second in range(70)]
    found, frames = spans_of(pictures, TICK)
    # key frames at 0, 8, 16, ...: the first that is 20 s behind 0 is 24; 48 to 69 is long enough
    assert found == [Span(0, 0.0, 24.0, 0), Span(24, 24.0, 48.0, 24), Span(48, 48.0, None, 48)]
    assert frames == [24, 24, 22]


def test_a_short_rest_goes_with_the_span_before() -> None:
    found, frames = spans_of([Picture(second, second % 30 == 0) for second in range(40)], TICK)
    assert (found, frames) == ([Span(0, 0.0, None, 0)], [40])


def test_pictures_decoded_after_a_key_frame_and_shown_before_it_are_of_the_span_before() -> None:
    stamps = [*range(23), 24, 23, *range(25, 50)]  # 23 is decoded behind the key frame 24
    found, frames = spans_of([Picture(stamp, stamp in (0, 24)) for stamp in stamps], TICK)
    assert [span.index for span in found if span] == [0, 24]
    assert frames == [24, 26]


@given(st.lists(st.booleans(), min_size=1, max_size=200))
def test_spans_have_all_frames_from_the_first_key_frame_on(keys: list[bool]) -> None:
    _, frames = spans_of([Picture(second, key) for second, key in enumerate(keys)], TICK)
    first = keys.index(True) if any(keys) else 0
    assert sum(frames) == len(keys) - first
    assert all(count >= 20 for count in frames[1:])


@pytest.mark.parametrize(
    ("codec", "options"),
    [
        ("libx264", {"x264-params": "bframes=3:open-gop=1:scenecut=0"}),
        ("libx264", {"x264-params": "bframes=0:open-gop=0:scenecut=0"}),
        ("libx265", {"x265-params": "bframes=3:open-gop=1:scenecut=0:log-level=none"}),
    ],
)
def test_frames_of_spans_are_those_of_the_video(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, codec: str, options: dict[str, str]
) -> None:
    monkeypatch.setattr(spans, "SPAN_S", 2.0)
    path = tmp_path / "film.mp4"
    write_video(path, frames=97, key_every=10, codec=codec, **options)
    found, counts = split(path)
    assert len(found) == 4
    assert sum(counts) == 97
    with VideoSource.file(path) as source:
        whole = [(frame.index, frame.media_s, frame.image) for frame in source]
    place = 0
    for span in found:
        assert span is not None
        assert span.index == place
        with VideoSource.file(path, begin=span.stamp, passed=span.index) as source:
            for frame in source:
                assert frame.media_s is not None
                if frame.media_s < span.begin_s:
                    continue
                if span.end_s is not None and frame.media_s >= span.end_s:
                    break
                assert frame.media_s == whole[place][1]
                np.testing.assert_array_equal(frame.image, whole[place][2])
                place += 1
            assert source.skipped == []
    assert place == len(whole)


def test_a_short_video_and_one_without_a_table_are_not_split(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_video(tmp_path / "short.mp4", frames=30, key_every=10)
    assert split(tmp_path / "short.mp4") == ([None], [30])
    monkeypatch.setattr(spans, "SPAN_S", 1.0)
    write_video(tmp_path / "film.mkv", frames=30, key_every=10)
    assert split(tmp_path / "film.mkv") == ([None], [30])
