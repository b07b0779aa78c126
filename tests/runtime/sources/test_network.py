"""Network streams are opened by their addresses, within their time, and nobody sees a password."""

from __future__ import annotations

import socket
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import av
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeseg.errors import EdgesegError, SourceDownError, SourceError, UsageError
from edgeseg.runtime.sources import open_source
from edgeseg.runtime.sources.network import SCHEMES, Address
from edgeseg.runtime.sources.options import NetworkOptions

from ..fakes import encode_video, moving
from .test_address import CHARACTERS, SECRETS


def test_an_address_is_a_url_and_options_behind_it() -> None:
    address = Address.parse("RTSP://me:pw@cam/1?channel=2#transport=udp&open-timeout=2.5&read-timeout=3")
    assert address.url == "rtsp://me:pw@cam/1?channel=2"
    assert address.name == "RTSP://***@cam/1"
    assert address.options == NetworkOptions("udp", 2.5, 3.0)
    assert Address.parse("http://cam/a").options == NetworkOptions()
    assert "pw" not in repr(address)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rtsp://cam/1#transprt=udp", "no option transprt; there are: transport, open-timeout, read-timeout"),
        ("http://cam/1#transport=udp", "no option transport; there are: open-timeout, read-timeout"),
        ("rtsp://cam/1#transport=quic", "transport of rtsp://cam/1 must be tcp or udp, got 'quic'"),
        ("rtsp://cam/1#read-timeout=soon", "read-timeout of .* must be seconds, 0.1 to 3600, got 'soon'"),
        ("rtsp://cam/1#read-timeout=0", "must be seconds"),
        ("rtsp://cam/1#transport=tcp&transport=udp", "given transport twice"),
        ("rtsp://cam/1#", ""),
        ("rtsp://cam/1#chapter", r"is not KEY=VALUE, with one of transport.*written %23"),
        ("rtsp://me:pass#word@cam/1", r"rtsp://\*\*\* is not KEY=VALUE"),
        ("rtsp://me:pass#w=rd@cam/1", r"rtsp://\*\*\* is not KEY=VALUE"),
        ("rtsp://me:pass#word@cam/1#transport=udp", "not clear where user and password .* end"),
        ("rtsp://me:pass/word@cam/1", r"rtsp://\*\*\*@cam/1 end; write / \? # @ : in them as %2F"),
        ("rtsp://me:pass?word@cam/1", r"rtsp://\*\*\* end"),
        ("gopher://me:password@cam/1", "gopher:// is not a source; URLs begin with rtsp, rtsps, http"),
    ],
)
def test_what_is_wrong_in_an_address_is_a_usage_error_without_the_password(text: str, message: str) -> None:
    if not message:  # no options are no fault
        assert Address.parse(text).options == NetworkOptions()
        return
    with pytest.raises(UsageError, match=message) as caught:
        open_source(text)
    assert "pass" not in str(caught.value).replace("password of", "")


def _failing(make: Callable[[str], Exception]) -> Any:
    """Stand for FFmpeg, which fails with an error that holds the address."""

    def fail(place: str, **_: object) -> None:
        raise make(place)

    return mock.patch.object(av, "open", fail)


@settings(max_examples=400)
@given(
    user=st.text(CHARACTERS, max_size=8),
    password=SECRETS,
    form=st.sampled_from(
        [
            "{scheme}://{user}:{password}@cam.example/1",
            "{scheme}://{user}:{password}@cam.example/1#transport=udp",
            "{scheme}://{user}:{password}@cam.example/1#read-timeout=no",
            "{scheme}://{user}:{password}@cam.example/1#nothing=1",
            "{scheme}://cam.example/1?user={user}&password={password}",
            "{scheme}:/{user}:{password}@cam.example/1",
            "{scheme}//{user}:{password}@cam.example/1",
            "{user}:{password}@cam.example/1",
            " {scheme}://{user}:{password}@cam.example/1",
            "gst:rtspsrc location=rtsp://{user}:{password}@cam/1 ! fakesink",
            "ftp://{user}:{password}@cam.example/1",
        ]
    ),
    scheme=st.sampled_from(SCHEMES),
    error=st.sampled_from(
        [av.error.HTTPUnauthorizedError, av.error.InvalidDataError, av.error.ProtocolNotFoundError, OSError]
    ),
)
def test_no_error_shows_a_password(
    user: str, password: str, form: str, scheme: str, error: type[OSError]
) -> None:
    text = form.format(scheme=scheme, user=user, password=password)
    with _failing(lambda place: error(1, "failed", place)), pytest.raises(EdgesegError) as caught:
        open_source(text)
    told = caught.value
    assert told.__cause__ is None
    assert told.__context__ is None or told.__suppress_context__
    assert "Qz7" not in f"{told!r} {''.join(traceback.format_exception_only(told))}"


@pytest.mark.parametrize("scheme", ["rtsp", "http", "rtmp"])
def test_an_address_that_never_answers_is_given_up_within_its_time(scheme: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as hole:
        started_s = time.monotonic()
        with pytest.raises(SourceDownError, match="did not answer for") as caught:
            open_source(f"{scheme}://me:secret@127.0.0.1:{hole.getsockname()[1]}/x#open-timeout=0.5")
        assert time.monotonic() - started_s < 5.0
    assert "secret" not in str(caught.value)
    assert caught.value.__context__ is None


def test_a_camera_that_sends_no_picture_in_time_is_down_and_not_too_large(tmp_path: Path) -> None:
    """One that is busy sends what follows a key frame, and the key frame with its size comes too late."""
    options = {"g": "1000"}
    path = encode_video(tmp_path / "v.ts", moving(50), codec="libx264", pixels="yuv420p", options=options)
    stream = _without_first_picture(path.read_bytes())
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=_answer_once, args=(server, stream), name="busy-camera", daemon=True)
        thread.start()
        address = f"http://me:secret@127.0.0.1:{server.getsockname()[1]}/x"
        with pytest.raises(SourceDownError, match=r"answers, but no picture .* came in \d+\.\d s") as caught:
            open_source(address)
        thread.join(10.0)
    assert "limit" not in str(caught.value)
    assert "secret" not in str(caught.value)


def _without_first_picture(transport: bytes) -> bytes:
    """Leave out the packets of the first picture, the only key frame."""
    packets = [transport[at : at + 188] for at in range(0, len(transport), 188)]
    begun, kept = 0, []
    for packet in packets:
        is_video = (packet[1] & 0x1F) << 8 | packet[2] == 0x100  # the first stream's PID, of FFmpeg's muxer
        begun += is_video and bool(packet[1] & 0x40)  # a picture begins
        if not is_video or begun > 1:
            kept.append(packet)
    assert begun > 1
    return b"".join(kept)


def _answer_once(server: socket.socket, body: bytes) -> None:
    connection, _ = server.accept()
    with connection:
        connection.recv(4096)
        connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Type: video/mp2t\r\n\r\n" + body)


def test_srt_says_how_it_can_be_read_where_this_ffmpeg_cannot() -> None:
    with pytest.raises(SourceError) as caught:
        open_source("srt://127.0.0.1:9?passphrase=secret&mode=caller#open-timeout=1")
    if not isinstance(caught.value, SourceDownError):
        assert "built without SRT; receive it by a program that has it" in str(caught.value)
    assert "secret" not in str(caught.value)
