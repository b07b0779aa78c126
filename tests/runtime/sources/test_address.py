"""Addresses are shown without passwords, whatever these are made of."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeseg.runtime.sources.address import without_password

CHARACTERS = "ab1%@:/?#=&;.[] "
# Words that nothing else of an address holds, with what else may stand in a password around them.
SECRETS = st.tuples(st.text(CHARACTERS, max_size=6), st.text(CHARACTERS, max_size=6)).map("Qz7".join)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("rtsp://me:secret@cam/1", "rtsp://***@cam/1"),
        ("rtsp://me:se@cret@cam/1", "rtsp://***@cam/1"),
        ("rtsp://me:se/cret@cam/1", "rtsp://***@cam/1"),
        ("rtsp://me:5/ecret@cam:554/1", "rtsp://***@cam:554/1"),
        ("rtsp://me:s?ecret@cam/1", "rtsp://***"),
        ("rtsp://me:s@e#cret@cam/1", "rtsp://***"),
        ("rtsp://token@cam/1", "rtsp://***@cam/1"),
        ("http://cam:80/video?user=me&password=secret", "http://cam:80/video"),
        ("http://cam:80/video?password=se@cret", "http://***"),
        ("http://cam/video?password=se@cret", "http://cam/video"),
        ("rtsp://cam:554/user=me&password=secret&channel=1", "rtsp://cam:554/user=***"),
        ("rtsp://cam:554/user=me&password=se@cret&channel=1", "rtsp://***"),
        ("rtsp://cam/live;token=secret", "rtsp://cam/live;token=***"),
        ("rtsp://cam/1@2", "rtsp://cam/1@2"),  # neither a colon nor an @ in front of the path: no password
        ("rtsp://me:secret@cam/1#transport=udp", "rtsp://***@cam/1"),
        ("srt://cam:9000?passphrase=secret", "srt://cam:9000"),
        ("rtsp//me:secret@cam/1", "***@cam/1"),
        ("me:secret@cam", "***@cam"),
        ("me:secret@rtsp://cam/1", "***"),
        ("gst:rtspsrc location=rtsp://me:secret@cam/1 ! decodebin ! appsink", "gst:"),
        ("street.mp4", "street.mp4"),
        ("/dev/video0#size=640x480", "/dev/video0"),
    ],
)
def test_passwords_are_hidden(text: str, shown: str) -> None:
    assert without_password(text) == shown


@given(
    user=st.text(CHARACTERS, min_size=1, max_size=8),
    password=SECRETS,
    rest=st.sampled_from(["", "/1", "/a/b?c=d", "/1#transport=udp"]),
)
def test_no_password_is_shown_whatever_it_is_made_of(user: str, password: str, rest: str) -> None:
    shown = without_password(f"rtsp://{user}:{password}@cam.example{rest}")
    assert "Qz7" not in shown


@given(
    value=SECRETS,
    before=st.sampled_from(["http://cam/video?", "http://cam:80/v?user=me&", "rtsp://cam:554/user=me&"]),
)
def test_nor_is_what_a_query_says(value: str, before: str) -> None:
    assert "Qz7" not in without_password(f"{before}password={value}")
