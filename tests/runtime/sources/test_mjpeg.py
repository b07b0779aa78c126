"""Cameras by HTTP, with every kind of damage."""

from __future__ import annotations

import time
from unittest import mock

import pytest

from edgeseg.errors import SourceError
from edgeseg.runtime.sources import Source, open_source
from edgeseg.runtime.sources.pictures import Pictures
from tests.servers.marks import Marks, read_marks
from tests.servers.mjpeg import Fault, MjpegServer
from tests.servers.proxy import Proxy

SILENCE = "read-timeout=1"


def seen(source: Source, count: int) -> list[Marks | None]:
    """Read up to `count` frames and what they show."""
    frames = (source.read() for _ in range(count))
    return [read_marks(frame.image) for frame in frames if frame is not None]


def test_a_camera_gives_its_frames_and_no_made_up_rate() -> None:
    with MjpegServer(5, fps=40.0) as server, open_source(server.url()) as source:
        shown = seen(source, 10)
        assert source.live
        assert source.fps is None  # such cameras do not say
    assert [marks.camera for marks in shown if marks is not None] == [5] * 10


@pytest.mark.parametrize("fault", [Fault.TRUNCATED, Fault.GARBAGE, Fault.EMPTY, Fault.NO_LENGTH, Fault.STILL])
def test_damaged_parts_are_passed_over_and_sound_ones_follow(fault: Fault) -> None:
    with MjpegServer(fps=40.0) as server, open_source(f"{server.url()}#{SILENCE}") as source:
        seen(source, 3)
        server.fault = fault
        sent = server.sent
        deadline_s = time.monotonic() + 20.0
        while server.sent < sent + 8 and time.monotonic() < deadline_s:
            time.sleep(0.01)
        server.fault = Fault.NONE
        shown = seen(source, 16)
        assert len(shown) == 16
        assert shown[-1] is not None
        assert (source.bad_frames > 0) == (fault in (Fault.TRUNCATED, Fault.GARBAGE, Fault.EMPTY))


@pytest.mark.parametrize("fault", [Fault.LONG, Fault.SHORT, Fault.NO_BOUNDARY, Fault.CLOSED, Fault.SILENT])
def test_what_is_no_stream_any_more_ends_within_its_time_and_can_be_opened_again(fault: Fault) -> None:
    with MjpegServer(fps=40.0) as server:
        with open_source(f"{server.url()}#{SILENCE}") as source:
            seen(source, 3)
            server.fault = fault
            started_s = time.monotonic()
            assert len(seen(source, 200)) < 200
            assert time.monotonic() - started_s < 12.0
        server.fault = Fault.NONE
        with open_source(server.url()) as source:
            assert None not in seen(source, 3)


def test_pictures_that_change_their_size_are_given_and_noted_in_one_line() -> None:
    with MjpegServer(fps=40.0) as server, open_source(server.url()) as source:
        seen(source, 2)
        shapes = []
        for width, height in ((160, 128), (640, 480)):
            server.width, server.height = width, height
            frames = [source.read() for _ in range(12)]
            assert frames[-1] is not None
            shapes.append(frames[-1].image.shape)
            assert read_marks(frames[-1].image) is not None
        assert shapes == [(128, 160, 3), (480, 640, 3)]
        assert source.notes == [f"the pictures of {source.name} changed size 2 times, now 640x480 pixels"]
        assert source.bad_frames == 0


def test_frames_are_passed_over_undecoded_and_keep_their_index() -> None:
    with MjpegServer(fps=40.0) as server, open_source(server.url()) as source:
        first = source.read()
        with mock.patch.object(Pictures, "_decode", side_effect=AssertionError("it was decoded")):
            assert all(source.skip() for _ in range(5))
        later = source.read()
        assert first is not None
        assert later is not None
        shown = [read_marks(frame.image) for frame in (first, later)]
        assert later.index == first.index + 6
        assert shown[1].frame - shown[0].frame >= 6
        server.fault = Fault.CLOSED
        assert sum(source.skip() for _ in range(200)) < 200
        assert not source.skip()


def test_user_and_password_open_a_camera_and_are_never_shown() -> None:
    with MjpegServer(user="me", password="s3c:ret") as server:
        with open_source(server.url(access="me:s3c%3Aret@")) as source:
            assert len(seen(source, 2)) == 2
            assert "s3c" not in source.name
        with pytest.raises(SourceError, match="refuses user name and password") as caught:
            open_source(server.url(access="me:wr0ng@"))
        assert "wr0ng" not in str(caught.value)


def test_a_slow_line_is_no_end() -> None:
    with MjpegServer() as server, Proxy(server.port) as proxy:
        proxy.bytes_per_s = 60_000
        with open_source(server.url().replace(str(server.port), str(proxy.port))) as source:
            assert None not in seen(source, 5)
