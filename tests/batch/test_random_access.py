"""Packets with which decoding can begin are told from all others, whatever the container says."""

from __future__ import annotations

from pathlib import Path

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeseg.batch.random_access import begins_whole
from edgeseg.runtime.sources.packets import ONE_PICTURE
from tests.batch.archives import write_video


@pytest.mark.parametrize(
    ("codec", "suffix", "options"),
    [
        ("libx264", ".mp4", {"x264-params": "open-gop=1:bframes=2:scenecut=0"}),
        ("libx264", ".h264", {"x264-params": "slices=2:scenecut=0"}),
        ("libx265", ".mp4", {"x265-params": "open-gop=1:log-level=none"}),
        ("libx265", ".hevc", {"x265-params": "open-gop=0:log-level=none"}),
        ("mpeg1video", ".mpg", {"strict": "unofficial"}),
        ("mpeg2video", ".mkv", {"bf": "2"}),
        ("mpeg4", ".mp4", {"bf": "2"}),
        ("libvpx", ".mkv", {"deadline": "realtime"}),
        ("libvpx-vp9", ".mkv", {"deadline": "realtime"}),
        ("libsvtav1", ".mkv", {"preset": "12"}),
    ],
)
def test_decoding_can_begin_with_whole_pictures(
    tmp_path: Path, codec: str, suffix: str, options: dict[str, str]
) -> None:
    path = tmp_path / f"film{suffix}"
    write_video(path, frames=20, key_every=6, codec=codec, **options)
    with av.open(str(path)) as container:
        context = container.streams.video[0].codec_context
        name, described = context.codec.canonical_name, context.extradata or b""
        packets = [packet for packet in container.demux(video=0) if packet.size]
        told = [begins_whole(bytes(packet), name, described) for packet in packets]
        assert told == [packet.is_keyframe for packet in packets]
        assert 1 < sum(told) < len(told)


def test_a_picture_that_is_refreshed_by_and_by_is_no_beginning(tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    write_video(path, frames=28, key_every=10, **{"x264-params": "intra-refresh=1:bframes=0:ref=1"})
    with av.open(str(path)) as container:
        described = container.streams.video[0].codec_context.extradata or b""
        packets = [packet for packet in container.demux(video=0) if packet.size]
    assert [packet.is_keyframe for packet in packets] == [number % 10 == 0 for number in range(28)]
    told = [begins_whole(bytes(packet), "h264", described) for packet in packets]
    assert told == [True] + [False] * 27


@given(st.sampled_from(sorted(ONE_PICTURE)), st.binary(max_size=60), st.sampled_from([b"", b"\1" * 30]))
def test_damaged_packets_are_no_error(codec: str, data: bytes, described: bytes) -> None:
    assert begins_whole(data, codec, described) in (True, False)
