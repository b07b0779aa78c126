from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeseg.errors import SinkError, UsageError
from edgeseg.frames.results import SemanticResult
from edgeseg.runtime.frame import Frame
from edgeseg.runtime.sinks import (
    FolderSink,
    ImageSink,
    JsonLinesSink,
    Sink,
    VideoSink,
    check_outputs,
    open_sink,
)
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


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder with an image and a link to another folder's."""
    for name in ("photos/a.png", "album/b.png"):
        (tmp_path / name).parent.mkdir()
        cv2.imwrite(str(tmp_path / name), np.zeros((4, 4, 3), np.uint8))
    (tmp_path / "photos" / "linked.png").symlink_to(tmp_path / "album" / "b.png")
    return tmp_path / "photos"


@pytest.mark.parametrize(
    ("source", "output"),
    [
        ("photos/a.png", "photos/a.png"),
        ("photos/a.png", "photos/../photos/a.png"),
        ("photos/a.png", "photos"),
        ("photos", "photos/"),
        ("photos", "photos/a.png"),
        ("photos", "photos/linked.png"),
        ("photos", "album/b.png"),
        ("photos", "album"),
    ],
)
def test_what_a_run_reads_is_never_overwritten(
    tmp_path: Path, photos: Path, source: str, output: str
) -> None:
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.png")}
    with (
        open_source(tmp_path / source) as opened,
        pytest.raises(UsageError, match=r"overwrit.*; (choose|use a folder)") as caught,
    ):
        open_sink(f"{tmp_path}/{output}", SEMANTIC, opened)
    assert "\n" not in str(caught.value)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.*")} == before


def test_outputs_beside_the_source_are_fine(photos: Path) -> None:
    with open_source(photos) as source:
        for name in ("all.mp4", "new.png", "labels/"):
            open_sink(f"{photos}/{name}", SEMANTIC, source).close()


def test_an_output_is_given_once(tmp_path: Path) -> None:
    check_outputs([tmp_path / "a.mp4", tmp_path / "a.jsonl", tmp_path / "a"], GreyFrames([1]))
    for again in (tmp_path / "a.mp4", tmp_path / "x" / ".." / "a.mp4"):
        with pytest.raises(UsageError, match="is given twice"):
            check_outputs([tmp_path / "a.mp4", again], GreyFrames([1]))


@pytest.mark.parametrize("name", ["a.mp4", "a.jsonl", "a.png", "masks/classes.json"])
def test_what_was_there_stays_until_there_is_a_result(tmp_path: Path, name: str) -> None:
    old = tmp_path / name
    old.parent.mkdir(exist_ok=True)
    old.write_bytes(b"old")
    output = old.parent if old.name == "classes.json" else old
    frame, result = Frame(np.zeros((8, 8, 3), np.uint8), 0, 0.0), SemanticResult(np.zeros((8, 8), np.uint8))
    open_sink(output, SEMANTIC, GreyFrames([1])).close()
    assert old.read_bytes() == b"old"
    with open_sink(output, SEMANTIC, GreyFrames([1])) as sink:
        sink.write(frame, result, frame.image)
    assert old.read_bytes() not in (b"", b"old")
    assert not list(tmp_path.rglob(".*"))


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


def test_sound_that_is_lost_is_said(tmp_path: Path) -> None:
    source = GreyFrames([1])
    source.has_sound = True
    with open_sink(tmp_path / "a.mp4", SEMANTIC, source) as sink:
        assert list(sink.notes) == [f"the sound of grey is not carried over to {tmp_path / 'a.mp4'}"]
    with open_sink(tmp_path / "a.jsonl", SEMANTIC, source) as sink:
        assert not sink.notes
