from __future__ import annotations

import pytest

from edgeseg.runtime.sources.address import without_password


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
