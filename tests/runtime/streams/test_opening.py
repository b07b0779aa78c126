from __future__ import annotations

from pathlib import Path

import pytest

from edgeseg.errors import UsageError
from edgeseg.runtime.status import SourceState
from edgeseg.runtime.streams.opening import feed_of

from ..fakes import GreyFrames, write_video


def test_text_is_opened_and_closed_again(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mp4", 5)
    with feed_of(str(path), "yard") as feed:
        assert [frame.stream for frame in feed] == ["yard"] * 5
        source = feed.source
    assert source.closed
    assert feed.status().address == str(path)


def test_a_source_stays_open() -> None:
    source = GreyFrames([1, 2])
    with feed_of(source) as feed:
        assert len(list(feed)) == 2
    assert not source.closed


@pytest.mark.parametrize(
    ("text", "message"), [("ftp://camera/1", "ftp:// is not a source"), ("", "SOURCE is empty")]
)
def test_what_waiting_cannot_mend_is_an_error_at_once(text: str, message: str) -> None:
    with feed_of(text) as feed:
        assert feed.take() is None
    assert isinstance(feed.error, UsageError)
    assert message in str(feed.error)


def test_a_file_that_is_not_there_is_an_error_at_once(tmp_path: Path) -> None:
    with feed_of(tmp_path / "nowhere.mp4") as feed:
        assert feed.take() is None
    assert "there is no file or folder" in str(feed.error)
    assert feed.status().state is SourceState.ENDED


def test_a_camera_that_is_down_is_named_without_its_password() -> None:
    with feed_of("rtsp://me:secret@127.0.0.1:1/live") as feed:
        assert feed.status().address == "rtsp://***@127.0.0.1:1/live"
        assert feed.take(timeout_s=0.1) is None
        assert not feed.ended
    assert "secret" not in str(feed.status())
