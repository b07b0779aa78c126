from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections import namedtuple
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from edgeseg.errors import SinkError
from edgeseg.frames.results import SemanticResult
from edgeseg.runtime.frame import Frame
from edgeseg.runtime.sinks.video import RESERVE_BYTES, VideoSink
from edgeseg.runtime.sources import open_source

RESULT = SemanticResult(np.zeros((1, 1), np.uint8))


def _frame(index: int, time_s: float = 0.0) -> Frame:
    return Frame(np.zeros((1, 1, 3), np.uint8), index, time_s)


def _grey(value: int, size_hw: tuple[int, int] = (48, 64)) -> np.ndarray:
    return np.full((*size_hw, 3), value, np.uint8)


def _read(path: Path) -> tuple[list[np.ndarray], float | None]:
    with open_source(path) as source:
        return [frame.image for frame in source], source.fps


def _greys_at(path: Path) -> list[tuple[int, float]]:
    """The frames' grey values to the nearest 50, which survives compression, and the frames' times."""
    with open_source(path) as source:
        return [
            (50 * round(float(frame.image.mean()) / 50), round(frame.media_s or 0.0, 3)) for frame in source
        ]


def test_frames_come_back_at_the_sources_rate(tmp_path: Path) -> None:
    with VideoSink(tmp_path / "v.mp4", fps=12.5) as sink:
        for index, value in enumerate((0, 100, 200)):
            sink.write(_frame(index), RESULT, _grey(value))
    frames, fps = _read(tmp_path / "v.mp4")
    assert fps == 12.5
    assert frames[0].shape == (48, 64, 3)
    assert _greys_at(tmp_path / "v.mp4") == [(0, 0.0), (100, 0.08), (200, 0.16)]


def test_the_last_frame_lasts_as_long_as_the_others(tmp_path: Path) -> None:
    with VideoSink(tmp_path / "v.mp4", fps=10.0) as sink:
        for index in range(5):
            sink.write(_frame(index), RESULT, _grey(100))
    with av.open(str(tmp_path / "v.mp4")) as container:
        assert container.duration == pytest.approx(500_000, abs=2000)


def test_in_place_of_dropped_frames_the_one_before_stays(tmp_path: Path) -> None:
    with VideoSink(tmp_path / "v.mp4", fps=10.0) as sink:
        for index, value in ((5, 0), (8, 100), (9, 200)):
            sink.write(_frame(index), RESULT, _grey(value))
    assert _greys_at(tmp_path / "v.mp4") == [(0, 0.0), (100, 0.3), (200, 0.4)]


def test_every_frame_stands_at_its_media_time(tmp_path: Path) -> None:
    times = (4.0, 4.033, 4.5, 5.0, 5.0, 9.25)
    with VideoSink(tmp_path / "v.mp4", fps=30.0) as sink:
        for index, media_s in enumerate(times):
            sink.write(replace(_frame(index), media_s=media_s), RESULT, _grey(50 * index))
    found = _greys_at(tmp_path / "v.mp4")
    assert [grey for grey, _ in found] == [0, 50, 100, 150, 200, 250]
    assert [second for _, second in found] == pytest.approx([t - 4.0 for t in times], abs=2e-3)


def test_a_live_video_plays_in_real_time(tmp_path: Path) -> None:
    with VideoSink(tmp_path / "v.mp4", fps=10.0, live=True) as sink:
        for index, (time_s, value) in enumerate(((7.0, 0), (7.21, 100), (7.3, 200), (99.0, 250))):
            sink.write(_frame(index, time_s), RESULT, _grey(value))
    # the long silence before 99 s is a cut
    assert _greys_at(tmp_path / "v.mp4") == [(0, 0.0), (100, 0.21), (200, 0.3), (250, 0.4)]


def test_a_video_is_what_browsers_play(tmp_path: Path) -> None:
    if "libx264" not in av.codecs_available:
        pytest.skip("this FFmpeg has no encoder of H.264")
    with VideoSink(tmp_path / "v.mp4", pixel_aspect=Fraction(4, 3)) as sink:
        sink.write(_frame(0), RESULT, _grey(100))
    with av.open(str(tmp_path / "v.mp4")) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert stream.sample_aspect_ratio == Fraction(4, 3)


def test_without_an_encoder_of_h264_there_is_a_video_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgeseg.runtime.sinks.video.CODECS", {"no_such_encoder": {}, "mpeg4": {}})
    with VideoSink(tmp_path / "v.mp4") as sink:
        sink.write(_frame(0), RESULT, _grey(100))
    assert sink.codec == "mpeg4"
    assert _greys_at(tmp_path / "v.mp4") == [(100, 0.0)]


@pytest.mark.parametrize("height", [96, 720])
def test_colours_survive_in_every_players_matrix(tmp_path: Path, height: int) -> None:
    colours = np.zeros((height, 128, 3), np.uint8)
    colours[:, :64] = (200, 60, 30)
    colours[:, 64:] = (20, 90, 220)
    with VideoSink(tmp_path / "v.mp4") as sink:
        sink.write(_frame(0), RESULT, colours)
    shown = _read(tmp_path / "v.mp4")[0][0].astype(int)
    for column in (20, 100):
        assert np.abs(shown[height // 2, column] - colours[0, column]).max() <= 6


def test_frames_of_another_size_are_fitted_in(tmp_path: Path) -> None:
    with VideoSink(tmp_path / "v.mp4") as sink:
        sink.write(_frame(0), RESULT, _grey(200))
        sink.write(_frame(1), RESULT, _grey(200, (48, 24)))
    second = _read(tmp_path / "v.mp4")[0][1]
    assert second.shape == (48, 64, 3)
    assert second[24, 32].mean() > 150
    assert second[24, 2].mean() < 50


def test_a_video_that_cannot_be_encoded_or_read_back_replaces_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "v.mp4"
    path.write_bytes(b"old")
    with VideoSink(path) as sink, pytest.raises(SinkError, match="cannot encode"):
        sink.write(_frame(0), RESULT, np.zeros((20, 70_000, 3), np.uint8))
    monkeypatch.setattr("edgeseg.runtime.sinks.video._count_frames", lambda _: 0)
    sink = VideoSink(path)
    sink.write(_frame(0), RESULT, _grey(100))
    with pytest.raises(SinkError, match="0 of 1 frames can be read back"):
        sink.close()
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [("v.mp4", b"old")]


def test_a_link_to_a_video_stays_one(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "v.mp4").symlink_to(tmp_path / "elsewhere" / "real.mp4")
    with VideoSink(tmp_path / "v.mp4") as sink:
        sink.write(_frame(0), RESULT, _grey(100))
    assert (tmp_path / "v.mp4").is_symlink()
    assert len(_read(tmp_path / "elsewhere" / "real.mp4")[0]) == 1


@pytest.mark.parametrize("size_hw", [(1, 1), (47, 63), (2, 3)])
def test_odd_and_tiny_frames_make_a_video(tmp_path: Path, size_hw: tuple[int, int]) -> None:
    with VideoSink(tmp_path / "v.mp4") as sink:
        sink.write(_frame(0), RESULT, _grey(100, size_hw))
    assert _read(tmp_path / "v.mp4")[0][0].shape[:2] == tuple(side + side % 2 for side in size_hw)


def test_no_frames_leave_no_file(tmp_path: Path) -> None:
    VideoSink(tmp_path / "v.mp4").close()
    assert list(tmp_path.iterdir()) == []


def test_the_video_ends_readable_before_the_disk_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    free = [RESERVE_BYTES + 1] * 3 + [RESERVE_BYTES - 1]
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage(0, 0, free.pop(0)))
    with VideoSink(tmp_path / "v.mp4") as sink:
        for index in range(3):
            sink.write(_frame(index), RESULT, _grey(100))
        with pytest.raises(SinkError, match=r"the disk is full: .* ends after 3 frames"):
            sink.write(_frame(3), RESULT, _grey(100))
    assert len(_read(tmp_path / "v.mp4")[0]) == 3


def test_an_encoder_that_fails_silently_is_found_out(tmp_path: Path) -> None:
    program = """
import resource, sys
from pathlib import Path
import numpy as np
from edgeseg.errors import SinkError
from edgeseg.runtime.frame import Frame
from edgeseg.runtime.sinks.video import VideoSink
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))  # no file may grow beyond: as good as a full disk
noise = np.random.default_rng(0)
try:
    with VideoSink(Path(sys.argv[1])) as sink:
        for index in range(40):
            image = noise.integers(0, 255, (240, 320, 3), np.uint8)
            sink.write(Frame(image, index, 0.0), None, image)
except SinkError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "v.mp4")], capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    assert done.stdout.startswith("cannot write")
    assert done.stdout.count("\n") == 1


def _boxes(path: Path) -> list[str]:
    """Names of the top boxes of an .mp4 (ISO/IEC 14496-12), in order."""
    data, position, names = path.read_bytes(), 0, []
    while position + 8 <= len(data):
        size = int.from_bytes(data[position : position + 4], "big")
        names.append(data[position + 4 : position + 8].decode("latin-1"))
        position += size or len(data)
    return names


def test_times_of_a_variable_rate_are_within_a_tick_of_the_sources(tmp_path: Path) -> None:
    chance, tick_s = random.Random(3), 1 / 90_000  # of MPEG transport streams and RTP, the finest there are
    ticks = [0]
    while len(ticks) < 200:
        ticks.append(ticks[-1] + chance.randint(900, 30_000))
    with VideoSink(tmp_path / "v.mp4", fps=30.0) as sink:
        for index, tick in enumerate(ticks):
            sink.write(replace(_frame(index), media_s=7.0 + tick * tick_s), RESULT, _grey(index))
    with av.open(str(tmp_path / "v.mp4")) as container:
        stream = container.streams.video[0]
        times = sorted(
            float(packet.pts * stream.time_base) for packet in container.demux(stream) if packet.size
        )
    assert len(times) == 200
    assert max(abs(time - tick * tick_s) for time, tick in zip(times, ticks, strict=True)) < tick_s


def test_a_video_that_is_written_can_be_watched_in_place_and_is_an_ordinary_one_at_the_end(
    tmp_path: Path,
) -> None:
    path = tmp_path / "v.mp4"
    path.write_bytes(b"old")
    with VideoSink(path, fps=10.0) as sink:
        for index in range(11):
            assert path.read_bytes() == b"old"
            sink.write(_frame(index), RESULT, _grey(100))
        assert len(_read(path)[0]) == 10
        for index in range(11, 35):
            sink.write(_frame(index), RESULT, _grey(100))
        assert len(_read(path)[0]) == 30
        assert "moof" in _boxes(path)
    assert _boxes(path) == ["ftyp", "free", "mdat", "moov"]
    assert len(_read(path)[0]) == 35
    assert [file.name for file in tmp_path.iterdir()] == ["v.mp4"]


def test_a_killed_process_loses_no_more_than_seconds(tmp_path: Path) -> None:
    program = """
import sys
from pathlib import Path
import numpy as np
from edgeseg.runtime.frame import Frame
from edgeseg.runtime.sinks.video import VideoSink
image = np.random.default_rng(0).integers(0, 255, (120, 160, 3), np.uint8)
sink = VideoSink(Path(sys.argv[1]), fps=10.0)
for index in range(1_000_000):
    sink.write(Frame(image, index, 0.0), None, np.roll(image, index, 1))
    print(index, flush=True)
"""
    command = [sys.executable, "-c", program, str(tmp_path / "v.mp4")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        for line in child.stdout:
            if int(line) == 74:
                break
        os.kill(child.pid, signal.SIGKILL)
        written = 75 + len(child.stdout.read().split())
    found = len(_read(tmp_path / "v.mp4")[0])
    assert written - 20 <= found <= written + 1  # of two seconds; the last one's line may have been cut short


def test_a_video_whose_index_could_not_be_written_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgeseg.runtime.sinks.encoder.VideoWriter.close", lambda _: None)
    sink = VideoSink(tmp_path / "v.mp4", fps=10.0)
    for index in range(35):
        sink.write(_frame(index), RESULT, _grey(100))
    with pytest.raises(SinkError, match="30 of 35 frames can be read back"):
        sink.close()
    assert sink.lost == 5
    assert len(_read(tmp_path / "v.mp4")[0]) == 30
