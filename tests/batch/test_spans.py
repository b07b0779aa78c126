"""Spans of a video together are the video: each frame once, the same pixels, time and place."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeseg.batch import spans
from edgeseg.batch.piece import Span
from edgeseg.batch.spans import spans_of, split
from edgeseg.runtime.sources.video import VideoSource
from tests.batch.archives import write_video

TICK = Fraction(1)  # a second


@pytest.fixture
def short_spans(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let parts of a video be a second or longer: a group of pictures of these films."""
    monkeypatch.setattr(spans, "SPAN_S", 1.0)


def cut(stamps: Sequence[int], keys: Sequence[bool]) -> tuple[list[Span | None], list[int]]:
    return spans_of(np.array(stamps, np.int64), np.array(keys, bool), TICK)


def test_key_frames_that_are_close_together_are_no_cuts() -> None:
    found, frames = cut(range(70), [second % 8 == 0 for second in range(70)])
    # key frames at 0, 8, 16, ...: the first that is 20 s behind 0 is 24; 48 to 69 is long enough
    assert found == [Span(0, 0.0, 24.0, 0), Span(24, 24.0, 48.0, 24), Span(48, 48.0, None, 48)]
    assert frames == [24, 24, 22]


def test_a_short_rest_goes_with_the_span_before() -> None:
    found, frames = cut(range(40), [second % 30 == 0 for second in range(40)])
    assert (found, frames) == ([Span(0, 0.0, None, 0)], [40])


def test_pictures_decoded_after_a_key_frame_and_shown_before_it_are_of_the_span_before() -> None:
    stamps = [*range(23), 24, 23, *range(25, 50)]  # 23 is decoded behind the key frame 24
    found, frames = cut(stamps, [stamp in (0, 24) for stamp in stamps])
    assert [span.index for span in found if span] == [0, 24]
    assert frames == [24, 26]


def test_pictures_before_the_first_key_frame_keep_a_video_whole() -> None:
    assert cut(range(90), [second % 8 == 1 for second in range(90)]) == ([None], [90])
    assert cut([1, 0, *range(2, 90)], [second % 8 == 0 for second in range(90)]) == ([None], [90])


@given(st.lists(st.booleans(), min_size=1, max_size=200))
def test_spans_have_all_frames(keys: list[bool]) -> None:
    _, frames = cut(range(len(keys)), keys)
    assert sum(frames) == len(keys)
    assert all(count >= 20 for count in frames[1:])


@pytest.mark.parametrize(
    ("codec", "options"),
    [
        ("libx264", {"x264-params": "bframes=3:open-gop=1:scenecut=0"}),
        ("libx264", {"x264-params": "bframes=0:open-gop=0:scenecut=0"}),
        ("libx265", {"x265-params": "bframes=3:open-gop=1:scenecut=0:log-level=none"}),
        ("mpeg2video", {"bf": "2"}),
        ("libvpx-vp9", {"deadline": "realtime", "auto-alt-ref": "1", "lag-in-frames": "8"}),
        ("libsvtav1", {"preset": "12", "svtav1-params": "scd=0"}),
        ("mjpeg", {"strict": "unofficial"}),
        ("libx264", {"x264-params": "intra-refresh=1:bframes=0:ref=1"}),
    ],
)
def test_frames_of_spans_are_those_of_the_video(
    tmp_path: Path, short_spans: None, codec: str, options: dict[str, str]
) -> None:
    path = tmp_path / "film.mp4"
    write_video(path, frames=97, key_every=10, codec=codec, **options)
    found, counts = split(path)
    assert len(found) >= 3
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


@pytest.mark.parametrize(
    ("codec", "options"),
    [
        ("libx264", {"x264-params": "intra-refresh=1:bframes=0:ref=1"}),
        ("libx265", {"x265-params": "intra-refresh=1:bframes=0:ref=1:log-level=none"}),
    ],
)
def test_a_video_whose_key_frames_are_not_whole_is_not_split(
    tmp_path: Path, short_spans: None, codec: str, options: dict[str, str]
) -> None:
    path = tmp_path / "film.mp4"
    write_video(path, frames=30, key_every=10, codec=codec, **options)
    with av.open(str(path)) as container:
        keys = sum(packet.is_keyframe for packet in container.demux(video=0))
    assert keys > 1 or codec == "libx265"
    assert split(path) == ([None], [30])


def test_frames_themselves_are_not_read(tmp_path: Path, short_spans: None) -> None:
    path = tmp_path / "film.mp4"
    write_video(path, frames=60, key_every=10)
    with av.open(str(path)) as container:
        others = [
            (packet.pos, packet.size)
            for packet in container.demux(video=0)
            if packet.size and not packet.is_keyframe
        ]
    whole = split(path)
    with path.open("r+b") as file:
        for at, size in others:
            file.seek(at)
            file.write(bytes(size))
    assert split(path) == whole
    assert len(whole[0]) > 1


def test_a_short_video_and_one_without_a_table_are_not_split(tmp_path: Path, short_spans: None) -> None:
    write_video(tmp_path / "short.mp4", frames=19, key_every=10)
    assert split(tmp_path / "short.mp4") == ([None], [19])
    write_video(tmp_path / "film.mkv", frames=30, key_every=10)
    assert split(tmp_path / "film.mkv") == ([None], [30])
