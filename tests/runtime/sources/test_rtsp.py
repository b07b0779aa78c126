"""Cameras by RTSP, from a real server."""

from __future__ import annotations

from typing import Literal

import pytest

from edgeseg.errors import SourceError
from edgeseg.runtime.sources import Source, open_source
from tests.servers.marks import Marks, read_marks
from tests.servers.rtsp import Camera, RtspServer


def seen(source: Source, count: int) -> list[Marks | None]:
    """Read up to `count` frames and what they show."""
    frames = (source.read() for _ in range(count))
    return [read_marks(frame.image) for frame in frames if frame is not None]


@pytest.mark.parametrize("codec", ["h264", "h265", "mjpeg"])
def test_a_camera_gives_its_frames_one_after_the_other(codec: Literal["h264", "h265", "mjpeg"]) -> None:
    with RtspServer(Camera(number=7, codec=codec)) as server, open_source(server.url()) as source:
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


@pytest.mark.parametrize("digest", [False, True])
def test_user_and_password_open_a_camera_and_are_never_shown(digest: bool) -> None:
    with RtspServer(user="me", password="5e:c/r@e?t#", digest=digest) as server:
        with open_source(server.url()) as source:
            assert len(seen(source, 2)) == 2
            assert source.name == f"rtsp://***@127.0.0.1:{server.port}/camera"
        with pytest.raises(SourceError, match="user name and password") as caught:
            open_source(server.url(password="wr0ng"))
        assert "wr0ng" not in f"{caught.value!r} {caught.value.__cause__!r}"
