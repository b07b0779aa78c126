from __future__ import annotations

import pytest

from edgeseg.runtime.settings import SiteSettings, StreamSettings
from edgeseg.runtime.site.names import bad_names, with_names


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("0", "camera-0"),
        ("/dev/video1", "video1"),
        ("0#size=1280x720&fps=30", "camera-0"),
        ("/dev/video1#format=MJPG", "video1"),
        ("rtsp://10.0.0.2/1#transport=udp", "10.0.0.2"),
        ("videos/street corner.mp4", "street-corner"),
        ("pictures/", "pictures"),
        ("rtsp://guard:pa@ss@10.0.0.2:554/stream1", "10.0.0.2"),
        ("https://${USER}:${PASSWORD}@yard.example/hls.m3u8", "yard.example"),
        ("synthetic:640x480?seed=3", "synthetic"),
        ("gst:videotestsrc ! appsink", "gst"),
        ("${CAMERA}", "stream"),
        ("---", "stream"),
    ],
)
def test_names_come_from_sources_without_passwords(source: str, name: str) -> None:
    assert with_names(SiteSettings("e", (StreamSettings(source),))).streams[0].name == name


def test_names_are_unique_and_given_ones_stay() -> None:
    sources = ["a/day.mp4", "b/day.mp4", "c/day.mp4"]
    streams = [StreamSettings(source, name) for source, name in zip(sources, ["", "day", ""], strict=True)]
    named = with_names(SiteSettings("e", tuple(streams)))
    assert [stream.name for stream in named.streams] == ["day-2", "day", "day-3"]
    assert with_names(named) == named


def test_bad_names_are_found() -> None:
    names = ["gate", "a/b", "gate", "x" * 65, ""]
    streams = tuple(StreamSettings("0", name) for name in names)
    assert [str(fault) for fault in bad_names(SiteSettings("e", streams))] == [
        "streams[1].name must be letters, digits, dots, - and _, 64 at most, got 'a/b'",
        "streams[2].name is the name of streams[0] too; give each its own",
        f"streams[3].name must be letters, digits, dots, - and _, 64 at most, got '{'x' * 65}'",
    ]
