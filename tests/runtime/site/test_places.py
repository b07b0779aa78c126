"""What a site reads and writes is looked at without a camera being opened or a byte being written."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgeseg.errors import SinkError, UsageError
from edgeseg.runtime.site.places import check_images, check_room, stored


@pytest.mark.parametrize(
    "source",
    [
        "0",
        "/dev/video0#fps=30",
        "rtsp://camera/1",
        "synthetic:64x48",
        "synthetic:64x48?frames=2",
        "udp://@:5000",
    ],
)
def test_one_image_of_many_frames_is_refused(source: str) -> None:
    with pytest.raises(UsageError, match=r"a\.png takes one image.*--frames 1"):
        check_images(["b.jsonl", "a.png"], stored(source))


@pytest.mark.parametrize(
    "source", ["http://camera/snapshot.jpg", "gst:x ! appsink", "synthetic:64x48?frames=1"]
)
def test_one_image_of_what_may_be_one_is_not(source: str) -> None:
    check_images(["a.png", "b/", "mqtt://broker/topic"], stored(source))


def test_an_output_must_have_room(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    check_room(tmp_path / "new" / "folder" / "a.jsonl")
    check_room(tmp_path / "file")
    check_room(tmp_path)
    with pytest.raises(SinkError, match="is no folder"):
        check_room(tmp_path / "file" / "a.jsonl")
    with pytest.raises(SinkError, match="there is no folder"):
        check_room(tmp_path / "new" / "events.jsonl", made=False)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file"]


def test_an_output_must_be_allowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root, whom tests may run as, may write everywhere."""
    monkeypatch.setattr("os.access", lambda place, mode: place != tmp_path.resolve())
    with pytest.raises(SinkError, match="may not be written by this user"):
        check_room(tmp_path / "a.jsonl")
