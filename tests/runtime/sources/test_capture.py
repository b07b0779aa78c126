from __future__ import annotations

import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from edgeseg.errors import SourceError
from edgeseg.runtime.sources import open_source
from edgeseg.runtime.sources.capture import CaptureSource, without_password

from ..fakes import write_video


def test_a_video_gives_its_frames_and_its_rate(tmp_path: Path) -> None:
    with open_source(write_video(tmp_path / "v.mp4", 12, fps=12.5)) as source:
        assert (source.fps, source.frame_count, source.live) == (12.5, 12, False)
        frames = list(source)
    assert [frame.index for frame in frames] == list(range(12))
    assert all(frame.image.shape == (48, 64, 3) and frame.name is None for frame in frames)
    greys = [float(frame.image.mean()) for frame in frames]
    assert greys == sorted(greys)
    assert [frame.time_s for frame in frames] == sorted(frame.time_s for frame in frames)
    assert source.skipped == []


def test_skipped_frames_keep_their_index(tmp_path: Path) -> None:
    with open_source(write_video(tmp_path / "v.mp4", 3)) as source:
        assert source.skip()
        frame = source.read()
        assert frame is not None
        assert frame.index == 1
        assert source.skip()
        assert not source.skip()


def test_a_video_that_breaks_off_gives_what_it_has_and_says_so(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mp4", 60, size_wh=(320, 240))
    whole = path.read_bytes()
    table = whole.index(b"moov") - 4  # moved to the front, the index survives a cut; its offsets stay right
    data_start = whole.index(b"mdat") - 4
    cut = data_start + (table - data_start) // 2
    path.write_bytes(whole[:cut] + bytes(table - cut) + whole[table:])
    source = open_source(path)
    frames = list(source)
    if len(frames) == 60:
        pytest.skip("this decoder conceals the damage")
    assert 0 < len(frames) < 60
    assert len(source.skipped) == 1
    assert f"breaks off after {len(frames)} of about 60 frames" in source.skipped[0]


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


class _StuckCapture:
    """A capture whose `grab` blocks until it is let go, as that of a dead network camera does."""

    def __init__(self) -> None:
        self.grabbing, self.let_go, self.released = threading.Event(), threading.Event(), threading.Event()
        self.released_while_grabbing = False

    def get(self, _property: int) -> float:
        return -1.0

    def grab(self) -> bool:
        self.grabbing.set()
        assert self.let_go.wait(30)
        self.released_while_grabbing = self.released.is_set()
        return False

    def release(self) -> None:
        self.released.set()


def test_closing_under_a_blocked_reader_waits_for_it_to_release(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgeseg.runtime.sources.capture.CLOSE_TIMEOUT_S", 0.01)
    capture = _StuckCapture()
    source = CaptureSource(capture, "stuck", live=True)
    reader = threading.Thread(target=source.read)
    reader.start()
    assert capture.grabbing.wait(30)
    source.close()
    assert not capture.released.is_set()
    capture.let_go.set()
    reader.join(30)
    assert capture.released.is_set()
    assert not capture.released_while_grabbing


def test_a_live_source_that_stops_has_skipped_nothing() -> None:
    capture = _StuckCapture()
    capture.let_go.set()
    source = CaptureSource(capture, "camera 7", live=True)
    assert source.fps is None
    assert source.frame_count is None
    assert list(source) == []
    assert source.skipped == []


class _QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


def test_a_recording_on_a_web_server_is_not_live(tmp_path: Path) -> None:
    write_video(tmp_path / "v.mp4", 5)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_QuietHandler, directory=tmp_path))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        with open_source(f"http://127.0.0.1:{server.server_port}/v.mp4") as source:
            assert not source.live
            assert len(list(source)) == 5
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("rtsp://me:secret@cam/1", "rtsp://***@cam/1"),
        ("rtsp://me:se@cret@cam/1", "rtsp://***@cam/1"),
        ("rtsp://me:se/cret@cam/1", "rtsp://***@cam/1"),
        ("rtsp://me:5/ecret@cam:554/1", "rtsp://***@cam:554/1"),
        ("rtsp://me:s?ecret@cam/1", "rtsp://***"),
        ("rtsp://me:s@e#cret@cam/1", "rtsp://***"),
        ("http://cam:80/video?user=me&password=secret", "http://cam:80/video"),
        ("http://cam:80/video?password=se@cret", "http://***"),
        ("http://cam/video?password=se@cret", "http://cam/video"),
        ("rtsp://cam:554/user=me&password=secret&channel=1", "rtsp://cam:554/user=***"),
        ("rtsp://cam/1@2", "rtsp://cam/1@2"),  # neither a colon nor an @ in front of the path: no password
        ("http://[::1]:8080/video.mp4", "http://[::1]:8080/video.mp4"),
    ],
)
def test_passwords_are_hidden(url: str, shown: str) -> None:
    assert without_password(url) == shown
