"""What a recording has lost is counted, named and left out of the numbers, whatever the container."""

from __future__ import annotations

from pathlib import Path

import av
import pytest

from edgeseg.runtime.sources import open_source

from ..fakes import encode_video, moving

GROUPS = {"g": "10", "x264-params": "scenecut=0:bframes=2"}
RATE = 25


def _record(path: Path, times: list[float] | None = None, count: int = 40) -> Path:
    return encode_video(path, moving(count), times, codec="libx264", pixels="yuv420p", options=GROUPS)


def _packets(path: Path) -> list[tuple[int, int, float]]:
    """Place, size and time of each packet, in order of decoding."""
    with av.open(str(path)) as container:
        (stream,) = container.streams.video
        return [(p.pos, p.size, float(p.pts * stream.time_base)) for p in container.demux(stream) if p.size]


def _wipe(path: Path, *numbers: int) -> Path:
    data = bytearray(path.read_bytes())
    for place, size, _ in (_packets(path)[number] for number in numbers):
        data[place : place + size] = bytes(size)
    path.write_bytes(data)
    return path


def _check(path: Path, *, begins_s: float = 0.0, count: int = 40, lost: int | None = None) -> list[int]:
    """See that numbers follow times, that all is accounted for, and that the first loss is named."""
    with open_source(path) as source:
        frames = list(source)
    indices = [frame.index for frame in frames]
    times = [frame.media_s for frame in frames]
    assert indices == [round((at - begins_s) * RATE) for at in times if at is not None]
    assert len(frames) + source.bad_frames == count
    assert lost is None or source.bad_frames == lost
    first = min(set(range(count)) - set(indices))
    assert f"the first at {begins_s + first / RATE:.2f} s" in source.skipped[0]
    return indices


def test_all_that_hangs_on_a_destroyed_keyframe_is_lost(tmp_path: Path) -> None:
    indices = _check(_wipe(_record(tmp_path / "v.mp4"), 10))
    assert set(range(18, 40)) <= set(indices)
    assert not set(range(10, 17)) & set(indices)


def test_so_it_is_with_the_first(tmp_path: Path) -> None:
    assert _check(_wipe(_record(tmp_path / "v.mp4"), 0), lost=10) == list(range(10, 40))


@pytest.mark.parametrize("first", [15, 21, 33])
def test_packets_missing_from_a_transport_stream_are_counted_once(tmp_path: Path, first: int) -> None:
    for behind in range(first + 8, first + 40, 7):
        path = _record(tmp_path / "v.ts")
        begins_s = min(at for *_, at in _packets(path))
        data = path.read_bytes()
        path.write_bytes(data[: first * 188] + data[behind * 188 :])
        with open_source(path) as source:
            frames = list(source)
        assert all(f.index == round(RATE * ((f.media_s or 0) - begins_s)) for f in frames)
        assert len(frames) + source.bad_frames == 40


@pytest.mark.parametrize("content", [True, False])
def test_damage_that_transport_streams_do_not_flag_is_told_by_gap_and_bytes(
    tmp_path: Path, content: bool
) -> None:
    path = _record(tmp_path / "v.ts")
    data = bytearray(path.read_bytes())
    places = [at for at in range(0, len(data), 188) if data[at + 1] & 0x1F == 1 and data[at + 2] == 0]
    begin = next(number for number, at in enumerate(places) if at >= _packets(path)[14][0])
    gone = places[begin : begin + 32]  # the counter of the pictures, to 16, goes on
    if content:
        for at in gone:
            data[at + 4 : at + 188] = bytes(184)
    else:
        del data[gone[0] : gone[-1] + 188]
    begins_s = min(at for *_, at in _packets(path))
    path.write_bytes(data)
    indices = _check(path, begins_s=begins_s)
    assert len(indices) < 40
    assert indices[-1] == 39


@pytest.mark.parametrize("number", [0, 4, 12, 39])
def test_blocks_of_matroska_that_the_reader_passes_over_are_lost(tmp_path: Path, number: int) -> None:
    path = tmp_path / "v.mkv"
    with av.open(str(path), "w", options={"cluster_time_limit": "390"}) as container:
        stream = container.add_stream(
            "libx264", rate=RATE, options={"g": "10", "x264-params": "scenecut=0:bframes=0"}
        )
        stream.height, stream.width, stream.pix_fmt = 96, 128, "yuv420p"
        for image in moving(40):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        container.mux(stream.encode())
    indices = _check(_wipe(path, number))
    assert not set(range(number, number // 10 * 10 + 10)) & set(indices)
    assert len(indices) >= 30


@pytest.mark.parametrize("suffix", ["mkv", "ts", "m2ts", "mp4"])
@pytest.mark.parametrize("pause", [(20, 1.2), (39, 3.0), (1, 0.4)])
def test_a_pause_is_no_loss(tmp_path: Path, suffix: str, pause: tuple[int, float]) -> None:
    begin, length_s = pause
    times = [number / RATE + (length_s if number >= begin else 0) for number in range(40)]
    with open_source(_record(tmp_path / f"v.{suffix}", times)) as source:
        assert [frame.index for frame in source] == list(range(40))
    assert (source.bad_frames, source.skipped) == (0, [])


@pytest.mark.parametrize("suffix", ["mkv", "ts"])
def test_nor_are_frames_missing_at_the_end_of_a_lossless_trim(tmp_path: Path, suffix: str) -> None:
    whole, trimmed = _record(tmp_path / "whole.mp4"), tmp_path / f"v.{suffix}"
    with av.open(str(whole)) as container, av.open(str(trimmed), "w") as target:
        (stream,) = container.streams.video
        copy = target.add_stream_from_template(stream)
        for packet in list(container.demux(stream))[:15]:  # the last one is shown behind two that are missing
            packet.stream = copy
            target.mux(packet)
    with open_source(trimmed) as source:
        assert [frame.index for frame in source] == list(range(15))
    assert source.skipped == []


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_an_avi_file_that_was_cut_off_lacks_what_its_header_declares(tmp_path: Path, share: float) -> None:
    path = encode_video(tmp_path / "v.avi", moving(40))
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    indices = _check(path)
    assert indices == list(range(len(indices)))


@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
def test_frames_of_an_avi_file_without_times_come_in_order(tmp_path: Path, codec: str) -> None:
    path = encode_video(tmp_path / "v.avi", moving(40), codec=codec, pixels="yuv420p", options={"bf": "2"})
    with open_source(path) as source:
        frames = list(source)
    times = [frame.media_s or 0.0 for frame in frames]
    assert [frame.index for frame in frames] == list(range(40))
    assert [later - times[0] for later in times] == pytest.approx([number / RATE for number in range(40)])
    assert (source.bad_frames, source.skipped) == (0, [])


def test_the_duration_of_a_matroska_file_does_not_count_from_zero(tmp_path: Path) -> None:
    times = [3600 + number / RATE for number in range(40)]
    with open_source(_record(tmp_path / "v.mkv", times)) as source:
        assert source.frame_count == 40
        assert len(list(source)) == 40


def test_a_size_beyond_the_end_of_a_matroska_file_is_no_error_of_ours(tmp_path: Path) -> None:
    path = _record(tmp_path / "v.mkv")
    place, size, _ = max(_packets(path))
    behind = place + 4 + size  # track, time and flags come before the picture
    void = b"\xec\x01" + b"\xff" * 6 + b"\xfe"
    path.write_bytes(path.read_bytes()[:behind] + void)
    with open_source(path) as source:
        assert len(list(source)) == 40
