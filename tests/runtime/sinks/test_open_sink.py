from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeseg.errors import SinkError, UsageError
from edgeseg.runtime.sinks import FolderSink, ImageSink, JsonLinesSink, Sink, VideoSink, open_sink
from edgeseg.runtime.sources import open_source

from ..fakes import SEMANTIC, GreyFrames


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.mp4", VideoSink),
        ("A.MP4", VideoSink),
        ("a.jsonl", JsonLinesSink),
        ("a.png", ImageSink),
        ("a.jpg", ImageSink),
        ("masks", FolderSink),
        ("masks.v2/", FolderSink),
    ],
)
def test_the_path_tells_the_kind_and_missing_folders_are_made(
    tmp_path: Path, name: str, kind: type[Sink]
) -> None:
    with open_sink(f"{tmp_path}/deep/down/{name}", SEMANTIC, GreyFrames([1])) as sink:
        assert type(sink) is kind
    assert (tmp_path / "deep" / "down").is_dir()


def test_other_suffixes_are_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"\.avi is no kind of output"):
        open_sink(tmp_path / "a.avi", SEMANTIC, GreyFrames([1]))


def test_an_existing_folder_may_have_any_name(tmp_path: Path) -> None:
    (tmp_path / "run.2").mkdir()
    assert type(open_sink(tmp_path / "run.2", SEMANTIC, GreyFrames([1]))) is FolderSink


def test_the_source_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    cv2.imwrite(str(path), np.zeros((4, 4, 3), np.uint8))
    before = path.read_bytes()
    with pytest.raises(SinkError, match="is the source itself"):
        open_sink(path, SEMANTIC, open_source(path))
    with pytest.raises(SinkError, match="is the source itself"):
        open_sink(tmp_path, SEMANTIC, open_source(tmp_path))
    assert path.read_bytes() == before


@pytest.mark.skipif(not Path("/sys/kernel").is_dir(), reason="needs a folder that nobody may write to")
@pytest.mark.parametrize("name", ["a.mp4", "a.jsonl", "masks/"])
def test_no_permission_is_one_line(name: str) -> None:
    with pytest.raises(SinkError, match=r"cannot write .*(Permission denied|Operation not permitted)"):
        open_sink(f"/sys/kernel/{name}", SEMANTIC, GreyFrames([1]))


@pytest.mark.parametrize("name", ["file/a.mp4", "file/a.jsonl", "file/a.png", "file/masks/"])
def test_a_file_in_the_place_of_a_folder_is_one_line(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SinkError, match=r"cannot write .*(File exists|Not a directory)"):
        open_sink(f"{tmp_path}/{name}", SEMANTIC, GreyFrames([1]))
