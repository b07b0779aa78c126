"""Cameras by RTSP, from a real server."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Literal

import pytest

from edgeseg.errors import SourceDownError, SourceError
from edgeseg.runtime.sources import Source, open_source
from tests.servers.marks import Marks, read_marks
from tests.servers.proxy import Proxy
from tests.servers.rtsp import Camera, RtspServer

from ..fakes import write_video


def seen(source: Source, count: int) -> list[Marks | None]:
    """Read up to `count` frames and what they show."""
    frames = (source.read() for _ in range(count))
    return [read_marks(frame.image) for frame in frames if frame is not None]


@pytest.mark.parametrize(
    ("codec", "transport"), [("h264", "tcp"), ("h264", "udp"), ("h265", "tcp"), ("mjpeg", "udp")]
)
def test_a_camera_gives_its_frames_one_after_the_other(
    codec: Literal["h264", "h265", "mjpeg"], transport: str
) -> None:
    with (
        RtspServer(Camera(number=7, codec=codec)) as server,
        open_source(f"{server.url()}#transport={transport}") as source,
    ):
        assert source.live
        shown = seen(source, 12)
        assert source.bad_frames == 0
    numbers = [marks.frame for marks in shown if marks is not None and marks.camera == 7]
    assert len(numbers) == 12
    assert numbers == sorted(set(numbers))


def test_two_cameras_of_one_server_are_told_apart() -> None:
    cameras = {"/left": Camera(1, width=160, height=128), "/right": Camera(2, width=160, height=128)}
    with RtspServer(cameras) as server:
        for mount, camera in cameras.items():
            with open_source(server.url(mount)) as source:
                assert {marks.camera for marks in seen(source, 3) if marks is not None} == {camera.number}


def test_a_recording_that_a_server_plays_is_a_camera(tmp_path: Path) -> None:
    video = write_video(tmp_path / "street.mp4", 60)
    with RtspServer(Camera(recording=str(video))) as server, open_source(server.url()) as source:
        assert source.read() is not None
        assert source.live  # it comes at its own rate: who is slower has to let frames go
        assert source.frame_count is None


@pytest.mark.parametrize("digest", [False, True])
def test_user_and_password_open_a_camera_and_are_never_shown(digest: bool) -> None:
    with RtspServer(user="me", password="5e:c/r@e?t#", digest=digest) as server:
        with open_source(server.url()) as source:
            assert len(seen(source, 2)) == 2
            assert source.name == f"rtsp://***@127.0.0.1:{server.port}/camera"
        with pytest.raises(SourceError, match="refuses user name and password") as caught:
            open_source(server.url(password="wr0ng"))
        assert "wr0ng" not in f"{caught.value!r} {caught.value.__cause__!r}"


def test_what_a_server_does_not_have_is_worth_another_attempt() -> None:
    with RtspServer() as server, pytest.raises(SourceDownError, match="404 Not Found"):
        open_source(server.url("/elsewhere"))


def test_a_server_that_is_killed_ends_the_source_and_comes_back() -> None:
    with RtspServer() as server:
        with open_source(server.url()) as source:
            seen(source, 3)
            server.kill()
            assert len(seen(source, 200)) < 200
        with pytest.raises(SourceDownError, match="Connection refused"):
            open_source(server.url())
        server.start()
        with open_source(server.url()) as source:
            assert len(seen(source, 3)) == 3


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_silence_is_the_end_within_its_time(transport: str) -> None:
    with (
        RtspServer() as server,
        open_source(f"{server.url()}#transport={transport}&read-timeout=1") as source,
    ):
        seen(source, 3)
        server.freeze()
        started_s = time.monotonic()
        assert len(seen(source, 200)) < 200
        assert time.monotonic() - started_s < 8.0
        assert len(source.skipped) == 1
        assert "stopped sending: nothing came for 1." in source.skipped[0]


def test_a_source_under_a_blocked_reader_is_closed_within_two_seconds() -> None:
    with RtspServer() as server:
        source = open_source(f"{server.url()}#read-timeout=4")
        seen(source, 3)
        server.freeze()
        reader = threading.Thread(target=lambda: list(source))
        reader.start()
        reader.join(1.0)
        assert reader.is_alive()
        started_s = time.monotonic()
        source.close()
        assert time.monotonic() - started_s < 2.0
        reader.join(30)  # its own timeout ends it
        assert not reader.is_alive()
        assert source.read() is None


def test_a_camera_that_was_set_up_anew_gives_pictures_of_the_new_kind() -> None:
    with RtspServer() as server:
        for changes in ({"width": 160, "height": 128}, {"codec": "mjpeg", "fps": 25.0}, {"codec": "h265"}):
            server.restart(**changes)
            camera = server.cameras["/camera"]
            with open_source(server.url()) as source:
                frame = source.read()
                assert frame is not None
                assert frame.image.shape == (camera.height, camera.width, 3)
                assert source.fps == pytest.approx(camera.fps)


def test_garbage_on_the_line_costs_frames_and_never_hangs() -> None:
    camera = Camera(width=640, height=480, fps=30.0)
    with RtspServer(camera) as server, Proxy(server.port, seed=5) as proxy:
        with open_source(f"{server.url(port=proxy.port)}#read-timeout=2") as source:
            proxy.damage = 0.2
            shown = seen(source, 60)
            unreadable = sum(marks is None for marks in shown)
            assert unreadable <= 5  # what FFmpeg does not notice
        proxy.damage = 0.0
        with open_source(server.url(port=proxy.port)) as source:
            assert None not in seen(source, 5)


def test_a_line_that_hangs_for_less_than_its_time_is_no_end() -> None:
    with (
        RtspServer() as server,
        Proxy(server.port) as proxy,
        open_source(server.url(port=proxy.port)) as source,
    ):
        seen(source, 3)
        proxy.held = True
        timer = threading.Timer(0.7, lambda: setattr(proxy, "held", False))
        timer.start()
        shown = seen(source, 20)
        timer.join()
        assert len(shown) == 20
        assert None not in shown
        assert source.bad_frames == 0


def test_lost_packets_cost_frames_and_never_the_stream() -> None:
    with (
        RtspServer(Camera(gop=3, loss=0.1)) as server,
        open_source(f"{server.url()}#transport=udp") as source,
    ):
        shown = seen(source, 40)
        assert len(shown) == 40
        assert shown.count(None) <= 20  # FFmpeg conceals some without a flag
