"""Recordings and network streams give every sound frame, with its place and its time."""

from __future__ import annotations

import gc
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from edgeseg.errors import SourceError
from edgeseg.runtime.pipeline import stream
from edgeseg.runtime.sources import open_source

from ..fakes import bright_pixels, damage, encode_video, greys, moving, write_video


def test_a_video_gives_its_frames_their_times_and_its_rate(tmp_path: Path) -> None:
    with open_source(write_video(tmp_path / "v.mp4", 12, fps=12.5)) as source:
        assert (source.fps, source.frame_count, source.live) == (12.5, 12, False)
        frames = list(source)
    assert [frame.index for frame in frames] == list(range(12))
    assert all(frame.image.shape == (48, 64, 3) and frame.name is None for frame in frames)
    brightness = [float(frame.image.mean()) for frame in frames]
    assert brightness == sorted(brightness)
    assert [frame.time_s for frame in frames] == sorted(frame.time_s for frame in frames)
    assert [frame.media_s for frame in frames] == pytest.approx([i / 12.5 for i in range(12)])
    assert (source.skipped, source.notes, source.bad_frames) == ([], [], 0)


def test_skipped_frames_keep_their_index(tmp_path: Path) -> None:
    with open_source(write_video(tmp_path / "v.mp4", 3)) as source:
        assert source.skip()
        frame = source.read()
        assert frame is not None
        assert frame.index == 1
        assert source.skip()
        assert not source.skip()


@pytest.mark.parametrize("zeros", [True, False])
def test_damaged_frames_of_a_recording_are_left_out_and_the_others_keep_place_and_time(
    tmp_path: Path, zeros: bool
) -> None:
    source = open_source(damage(encode_video(tmp_path / "v.avi", moving(30)), (10, 11, 20), zeros=zeros))
    frames = list(source)
    expected = [index for index in range(30) if index not in (10, 11, 20)]
    assert [frame.index for frame in frames] == expected
    assert [frame.media_s for frame in frames] == pytest.approx([index / 25 for index in expected])
    assert source.bad_frames == 3
    assert len(source.skipped) == 1
    assert "3 frames are damaged or missing" in source.skipped[0]


@pytest.mark.parametrize("bad", [(0,), (29,), (27, 28), (0, 1, 14, 15, 16, 28, 29)])
def test_damage_at_the_ends_costs_no_sound_frame(tmp_path: Path, bad: tuple[int, ...]) -> None:
    source = open_source(damage(encode_video(tmp_path / "v.avi", moving(30)), bad))
    assert [frame.index for frame in source] == [index for index in range(30) if index not in bad]
    assert source.bad_frames == len(bad)


def test_nor_does_it_where_pictures_need_each_other(tmp_path: Path) -> None:
    options = {"g": "10", "x264-params": "scenecut=0"}
    path = encode_video(tmp_path / "v.mp4", moving(30), codec="libx264", pixels="yuv420p", options=options)
    source = open_source(damage(path, (26, 27)))
    assert len(list(source)) + source.bad_frames == 30
    assert source.bad_frames == 2


def test_a_recording_cut_out_of_another_begins_with_its_first_whole_picture(tmp_path: Path) -> None:
    options = {"g": "20", "x264-params": "scenecut=0"}
    path = encode_video(tmp_path / "v.ts", moving(60), codec="libx264", pixels="yuv420p", options=options)
    with av.open(str(path)) as container:
        starts = [packet.pos for packet in container.demux(video=0) if packet.size]
    data = path.read_bytes()
    path.write_bytes(data[:564] + data[starts[7] :])  # the tables, and from the middle of a group on
    source = open_source(path)
    frames = list(source)
    assert [frame.index for frame in frames] == list(range(40))
    assert source.skipped == []


def test_pictures_that_the_decoder_conceals_are_no_results(tmp_path: Path) -> None:
    options = {"g": "10", "x264-params": "scenecut=0"}
    path = encode_video(tmp_path / "v.mp4", moving(30), codec="libx264", pixels="yuv420p", options=options)
    source = open_source(damage(path, (25,), zeros=False))
    frames = list(source)
    assert len(frames) == 30 - source.bad_frames
    assert source.bad_frames >= 1
    assert all(frame.media_s == pytest.approx(frame.index / 25) for frame in frames)


def test_lost_packets_of_a_transport_stream_leave_gaps_in_the_numbers(tmp_path: Path) -> None:
    options = {"g": "10", "x264-params": "scenecut=0:bframes=0"}
    path = encode_video(tmp_path / "v.ts", moving(50), codec="libx264", pixels="yuv420p", options=options)
    data = path.read_bytes()
    with av.open(str(path)) as container:
        starts = [packet.pos for packet in container.demux(video=0) if packet.size]
    begins, ends = starts[15], starts[24]
    path.write_bytes(data[:begins] + data[ends:])
    source = open_source(path)
    frames = list(source)
    first = frames[0].media_s
    assert all(frame.index == round(25 * (frame.media_s - first)) for frame in frames)
    assert frames[-1].index == 49
    assert source.bad_frames == 50 - len(frames) >= 9


def test_a_variable_frame_rate_is_no_damage(tmp_path: Path) -> None:
    times = [i / 30 for i in range(10)] + [10 / 30 + i / 2 for i in range(10)]
    for name in ("v.mp4", "v.mkv"):
        path = encode_video(tmp_path / name, greys(20), times, codec="libx264", pixels="yuv420p")
        source = open_source(path)
        assert [frame.media_s for frame in source] == pytest.approx(times, abs=2e-3)
        assert source.skipped == []


def test_a_lossless_trim_is_no_damage(tmp_path: Path) -> None:
    options = {"g": "25", "x264-params": "scenecut=0"}
    whole = encode_video(tmp_path / "v.mp4", moving(75), codec="libx264", pixels="yuv420p", options=options)
    _ffmpeg("-ss", "1.3", "-i", whole, "-c", "copy", tmp_path / "trim.mp4")
    source = open_source(tmp_path / "trim.mp4")
    frames = list(source)
    assert 40 <= len(frames) <= 43
    assert [frame.index for frame in frames] == list(range(len(frames)))
    assert source.skipped == []


def test_recordings_that_follow_one_another_in_one_file_go_on_in_time(tmp_path: Path) -> None:
    options = {"x264-params": "bframes=0"}
    path = encode_video(tmp_path / "v.ts", moving(25), codec="libx264", pixels="yuv420p", options=options)
    path.write_bytes(2 * path.read_bytes())
    source = open_source(path)
    times = [frame.media_s for frame in source]
    assert len(times) == 50
    assert np.diff(times) == pytest.approx(np.full(49, 1 / 25), abs=1e-3)


def test_a_video_that_breaks_off_gives_what_it_has_and_says_so(tmp_path: Path) -> None:
    path = encode_video(tmp_path / "v.mkv", moving(50), codec="libx264", pixels="yuv420p")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    source = open_source(path)
    frames = list(source)
    assert 5 < len(frames) < 40
    assert any("breaks off at" in line and "of 2.00 s" in line for line in source.skipped)


def test_pictures_are_turned_upright(tmp_path: Path) -> None:
    picture = np.zeros((48, 64, 3), np.uint8)
    picture[:24, :32] = 255  # top left
    path = encode_video(tmp_path / "v.mp4", [picture] * 3, codec="libx264", pixels="yuv420p")
    _ffmpeg("-i", path, "-c", "copy", "-metadata:s:v", "rotate=90", tmp_path / "turned.mp4")
    raw = _ffmpeg("-i", tmp_path / "turned.mp4", "-frames:v", "1", "-f", "rawvideo", "-pix_fmt", "bgr24", "-")
    with open_source(tmp_path / "turned.mp4") as source:
        frame = source.read()
    assert frame is not None
    assert frame.image.shape == (64, 48, 3)
    expected = np.frombuffer(raw, np.uint8).reshape(64, 48, 3)
    assert np.abs(frame.image.astype(int) - expected).max() <= 3


def test_pixels_that_are_not_square_turn_with_the_picture(tmp_path: Path) -> None:
    path = encode_video(
        tmp_path / "v.mp4", greys(5), codec="libx264", pixels="yuv420p", pixel_aspect=Fraction(4, 3)
    )
    _ffmpeg("-i", path, "-c", "copy", "-metadata:s:v", "rotate=90", tmp_path / "turned.mp4")
    for name, aspect in (("v.mp4", Fraction(4, 3)), ("turned.mp4", Fraction(3, 4))):
        with open_source(tmp_path / name) as source:
            assert source.pixel_aspect == aspect
            assert [frame.index for frame in source] == list(range(5))


@pytest.mark.parametrize(
    ("arguments", "suffix"),
    [
        (["-c:v", "libx264", "-pix_fmt", "yuv420p"], "mp4"),
        (["-c:v", "libx264", "-pix_fmt", "yuv420p", "-colorspace", "bt709", "-color_range", "tv"], "mp4"),
        (["-c:v", "mjpeg", "-q:v", "2", "-pix_fmt", "yuvj420p"], "avi"),
        (["-c:v", "ffv1", "-pix_fmt", "gray"], "mkv"),
        (["-c:v", "ffv1", "-pix_fmt", "bgra"], "mkv"),
        (["-c:v", "ffv1", "-pix_fmt", "yuv444p"], "mkv"),
    ],
)
def test_colours_are_those_that_ffmpeg_shows(tmp_path: Path, arguments: list[str], suffix: str) -> None:
    path = tmp_path / f"v.{suffix}"
    _ffmpeg("-f", "lavfi", "-i", "testsrc2=s=162x98:r=5:d=1", *arguments, path)
    raw = _ffmpeg("-i", path, "-f", "rawvideo", "-pix_fmt", "bgr24", "-")
    expected = np.frombuffer(raw, np.uint8).reshape(5, 98, 162, 3)
    with open_source(path) as source:
        images = np.stack([frame.image for frame in source])
    difference = np.abs(images.astype(int) - expected)
    assert difference.mean() < 0.5
    assert np.percentile(difference, 99.9) <= 3


@pytest.mark.parametrize("pixels", ["yuv420p", "yuv420p10le", "yuv422p", "gray"])
def test_colours_are_those_that_opencv_shows(tmp_path: Path, pixels: str) -> None:
    path = encode_video(tmp_path / "v.mkv", moving(3, (98, 162)), codec="ffv1", pixels=pixels)
    capture = cv2.VideoCapture(str(path))
    with open_source(path) as source:
        for frame in source:
            assert np.abs(frame.image.astype(int) - capture.read()[1]).max() <= 1


def test_odd_sizes_pixel_aspect_and_sound_are_told(tmp_path: Path) -> None:
    path = encode_video(
        tmp_path / "v.mp4",
        greys(3, (47, 63)),
        codec="libx264",
        pixels="yuv444p",
        sound=True,
        pixel_aspect=Fraction(4, 3),
    )
    with open_source(path) as source:
        assert (source.pixel_aspect, source.has_sound) == (Fraction(4, 3), True)
        assert [frame.image.shape for frame in source] == [(47, 63, 3)] * 3


def test_a_size_beyond_the_budget_is_refused_before_it_is_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_video(tmp_path / "v.mp4", 3)
    monkeypatch.setenv("EDGESEG_LIMITS", "pixels=3000")
    with pytest.raises(SourceError, match=r"64x48 takes 0.003072 million pixels.*--limit pixels"):
        open_source(path)
    monkeypatch.setenv("EDGESEG_LIMITS", "pixels=3072")
    assert len(list(open_source(path))) == 3
    large = write_video(tmp_path / "large.mp4", 3, size_wh=(640, 480))
    with pytest.raises(SourceError, match=r"more than 3072 pixels.*--limit pixels"):
        open_source(large)  # FFmpeg did not even look


def test_a_file_that_is_no_video_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "noise.mp4"
    path.write_bytes(np.random.default_rng(0).bytes(5000))
    with pytest.raises(SourceError, match="damaged or not a video"):
        open_source(path)


def test_reading_after_closing_is_the_end(tmp_path: Path) -> None:
    source = open_source(write_video(tmp_path / "v.mp4", 3))
    source.close()
    source.close()
    assert source.read() is None
    assert not source.skip()


@contextmanager
def serving(handler: Callable[..., BaseHTTPRequestHandler]) -> Iterator[str]:
    """Serve on this machine and give the address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


def test_a_recording_on_a_web_server_is_not_live(tmp_path: Path) -> None:
    write_video(tmp_path / "v.mp4", 5)
    with (
        serving(partial(_QuietHandler, directory=tmp_path)) as address,
        open_source(f"{address}/v.mp4") as source,
    ):
        assert not source.live
        assert len(list(source)) == 5


class _Camera(BaseHTTPRequestHandler):
    """An MJPEG camera: `parts` are sent one after another, then the connection ends or hangs."""

    parts: tuple[bytes, ...] = ()
    let_go: threading.Event | None = None

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        for part in self.parts:
            self.wfile.write(b"--frame\r\nContent-Type: image/jpeg\r\n")
            self.wfile.write(b"Content-Length: %d\r\n\r\n%b\r\n" % (len(part), part))
        if self.let_go is not None:
            self.wfile.flush()
            self.let_go.wait(30)

    def log_message(self, *_: object) -> None:
        pass


def _jpegs(count: int) -> list[bytes]:
    return [cv2.imencode(".jpg", image)[1].tobytes() for image in moving(count)]


def _camera(parts: list[bytes], let_go: threading.Event | None = None) -> type[_Camera]:
    return type("Camera", (_Camera,), {"parts": tuple(parts), "let_go": let_go})


def test_a_camera_with_truncated_pictures_goes_on_and_its_end_is_an_error() -> None:
    parts = _jpegs(30)
    for number in (9, 20):
        parts[number] = parts[number][: len(parts[number]) // 2]
    frames = []
    with serving(_camera(parts)) as address, open_source(address) as source:
        assert source.live
        with pytest.raises(SourceError, match=r"stopped sending.*, 2 damaged or missing; check camera"):
            frames.extend(frame for frame, _ in stream(source, bright_pixels(), policy="every"))
    assert [frame.index for frame in frames] == [index for index in range(30) if index not in (9, 20)]
    assert {frame.media_s for frame in frames} == {None}  # such a camera sends no times
    assert source.bad_frames == 2


def test_a_camera_that_sends_damaged_pictures_only_is_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgeseg.runtime.sources.pictures.MAX_BAD_FRAMES", 40)
    parts = _jpegs(2)
    broken = [parts[0][: len(parts[0]) // 2]] * 100
    with serving(_camera(parts + broken)) as address, open_source(address) as source:
        assert [frame.index for frame in source] == [0, 1]
    assert source.bad_frames == 40
    assert "none of the last 40 frames" in source.skipped[0]


def test_closing_under_a_blocked_reader_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgeseg.runtime.sources.video.CLOSE_TIMEOUT_S", 0.01)
    monkeypatch.setattr("edgeseg.runtime.sources.options.READ_TIMEOUT_S", 1.0)
    let_go = threading.Event()
    frames: list[int] = []
    with serving(_camera(_jpegs(40), let_go)) as address:
        source = open_source(address)
        reader = threading.Thread(target=lambda: frames.extend(frame.index for frame in source))
        reader.start()
        reader.join(0.5)
        assert reader.is_alive()
        source.close()
        reader.join(30)
        assert not reader.is_alive()
        let_go.set()
    assert frames
    assert source.read() is None


def _ffmpeg(*arguments: object) -> bytes:
    if shutil.which("ffmpeg") is None:
        pytest.skip("the program ffmpeg makes this test's video, and is not installed")
    command = ["ffmpeg", "-v", "error", "-y", *map(str, arguments)]
    return subprocess.run(command, check=True, capture_output=True).stdout


def test_decoded_pictures_are_let_go_without_the_garbage_collector(tmp_path: Path) -> None:
    from av.video.frame import VideoFrame

    path = encode_video(tmp_path / "v.mp4", greys(40))
    gc.collect()
    gc.disable()
    try:
        with open_source(path) as source:
            assert sum(1 for _ in source) == 40
        frames = [one for one in gc.get_objects() if type(one) is VideoFrame]
        held = sum(frame.width > 0 for frame in frames)  # decoders may keep an empty one
    finally:
        gc.enable()
    assert held == 0
