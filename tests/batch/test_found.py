"""Folders, files and patterns give each file once, by a name below what was given."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgeseg.batch.found import find
from edgeseg.errors import SourceError, UsageError


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    names = (
        "a/2.png",
        "a/10.png",
        "b/film.mp4",
        "b/notes.txt",
        "b/deep/er/1.jpg",
        ".hidden/1.png",
        "b/.1.png",
    )
    for name in names:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return tmp_path


def names(archive: Path, *patterns: str) -> list[str]:
    return [file.name for file in find([str(archive / pattern) for pattern in patterns]).files]


@pytest.mark.parametrize("pattern", ["", "**", "**/*", "*"])
def test_all_below_a_folder_is_found_in_natural_order(archive: Path, pattern: str) -> None:
    assert names(archive, pattern) == ["a/2.png", "a/10.png", "b/film.mp4", "b/deep/er/1.jpg"]
    assert find([str(archive / pattern)]).left_out == 1


def test_names_begin_where_the_pattern_does(archive: Path) -> None:
    assert names(archive, "b/**") == ["film.mp4", "deep/er/1.jpg"]
    assert names(archive, "*/*.png") == ["a/2.png", "a/10.png"]
    assert names(archive, "a/2.png") == ["2.png"]


def test_a_file_counts_once_however_often_it_is_found(archive: Path) -> None:
    assert names(archive, "a", "a/*.png", "a/2.png") == ["2.png", "10.png"]


def test_a_file_that_is_named_is_taken_whatever_it_is_called(archive: Path) -> None:
    (archive / "picture").write_bytes(b"")
    assert names(archive, "picture") == ["picture"]


def test_two_files_of_one_name_are_refused(archive: Path) -> None:
    (archive / "c").mkdir()
    (archive / "c" / "2.png").write_bytes(b"")
    with pytest.raises(
        UsageError, match=r"would both be 2\.png in the results; give a folder that holds both"
    ):
        names(archive, "a", "c")


@pytest.mark.parametrize("pattern", ["nowhere", "nowhere/**", "b/*.tif"])
def test_a_pattern_that_finds_nothing_is_said(archive: Path, pattern: str) -> None:
    with pytest.raises(SourceError, match="finds no picture, no video and no shard"):
        names(archive, "a", pattern)
