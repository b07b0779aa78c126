"""Folders, files and patterns give each file once, by a name below what was given."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import av
import pytest

from edgeseg.batch.found import find, suffixes_for
from edgeseg.errors import SourceError, UsageError
from edgeseg.runtime.sources.video import VideoSource
from edgeseg.spec import InputSpec


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


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("nowhere", "finds no file"),
        ("nowhere/**", "finds no file"),
        ("b/*.tif", "finds no file"),
        ("**/*.txt", "finds no picture, no video and no shard"),
    ],
)
def test_a_pattern_that_finds_nothing_is_said(archive: Path, pattern: str, said: str) -> None:
    with pytest.raises(SourceError, match=said):
        names(archive, "a", pattern)


@pytest.mark.parametrize("pattern", ["", "**", "**/*", "*", "*/**"])
def test_links_are_followed_once_around(archive: Path, pattern: str) -> None:
    (archive / "b" / "link").symlink_to(archive / "a")
    (archive / "a" / "round").symlink_to(archive)
    (archive / "a" / "round2").symlink_to("..")
    expected = ["a/2.png", "a/10.png", "b/film.mp4", "b/deep/er/1.jpg", "b/link/2.png", "b/link/10.png"]
    assert names(archive, pattern) == expected


def test_links_to_nothing_are_files_that_cannot_be_read(archive: Path) -> None:
    (archive / "a" / "README").symlink_to("/nowhere")
    (archive / "a" / "3.png").symlink_to("/nowhere")
    (archive / "a" / "4.png").symlink_to("4.png")
    for pattern in ("a", "a/**", "a/*.png"):
        assert names(archive, pattern) == ["2.png", "3.png", "4.png", "10.png"]
    assert [file.size_bytes for file in find([str(archive / "a")]).files] == [7, 0, 0, 8]
    assert names(archive, "a/README", "a/4.png") == ["4.png", "README"]


def test_pipes_are_left_out_and_refused_where_they_are_named(archive: Path) -> None:
    os.mkfifo(archive / "a" / "pipe.mp4")
    assert names(archive, "a") == names(archive, "a/*") == ["2.png", "10.png"]
    with pytest.raises(SourceError, match=r"pipe\.mp4 is no file and no folder"):
        names(archive, "a/pipe.mp4")


@pytest.fixture
def nobody() -> Iterator[Path]:
    """Be a user whom a folder may be closed to; gives a folder that this user can read."""
    if os.getuid():
        pytest.skip("only root can be another user")
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        os.seteuid(65534)
        try:
            yield Path(folder)
        finally:
            os.seteuid(0)


def test_folders_that_cannot_be_listed_are_told(nobody: Path) -> None:
    os.seteuid(0)
    (nobody / "closed").mkdir(mode=0o700)
    (nobody / "1.png").write_bytes(b"")
    os.seteuid(65534)
    for pattern in (nobody, nobody / "**"):
        found = find([str(pattern)])
        assert [file.name for file in found.files] == ["1.png"]
        assert list(found.unlisted) == [f"cannot list {nobody / 'closed'}: Permission denied"]
    with pytest.raises(SourceError, match=r"cannot list .*closed: Permission denied"):
        find([str(nobody / "closed")])
    with pytest.raises(SourceError, match=r"cannot read .*1\.png: Permission denied"):
        find([str(nobody / "closed" / "1.png")])


def test_what_is_hidden_is_found_where_it_is_asked_for(archive: Path) -> None:
    assert names(archive, ".hidden/*.png") == ["1.png"]
    assert names(archive, ".h*/*") == [".hidden/1.png"]
    assert names(archive, "*/.*") == ["b/.1.png"]


def test_typescript_is_no_transport_stream(archive: Path) -> None:
    (archive / "b" / "main.ts").write_text("export const naïve = 1;\n" * 300)
    (archive / "b" / "film.ts").write_bytes(b"\x47\x40\x11\x10" + b"\xff" * 184)
    assert names(archive, "b") == ["film.mp4", "film.ts", "deep/er/1.jpg"]
    assert find([str(archive / "b")]).left_out == 2
    assert names(archive, "b/main.ts") == ["main.ts"]


@pytest.mark.parametrize(
    ("suffix", "codec", "form"),
    [
        (".264", "libx264", "h264"),
        (".265", "libx265", "hevc"),
        (".3g2", "libx264", "3g2"),
        (".3gp", "libx264", "3gp"),
        (".asf", "mpeg4", "asf"),
        (".dv", "dvvideo", "dv"),
        (".f4v", "libx264", "f4v"),
        (".ivf", "libvpx", "ivf"),
        (".m1v", "mpeg1video", "mpeg1video"),
        (".m2v", "mpeg2video", "mpeg2video"),
        (".mjpg", "mjpeg", "mjpeg"),
        (".nut", "mpeg4", "nut"),
        (".ogv", "libvpx", "ogg"),
        (".qt", "libx264", "mov"),
        (".vob", "mpeg2video", "vob"),
        (".y4m", "rawvideo", "yuv4mpegpipe"),
    ],
)
def test_videos_are_known_by_their_suffixes(tmp_path: Path, suffix: str, codec: str, form: str) -> None:
    path = tmp_path / f"film{suffix}"
    with av.open(str(path), "w", format=form) as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height = (720, 576) if codec == "dvvideo" else (64, 48)
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        for _ in range(3):
            container.mux(stream.encode(av.VideoFrame(stream.width, stream.height, stream.pix_fmt)))
        container.mux(stream.encode())
    (file,) = find([str(tmp_path)]).files
    with VideoSource.file(file.path) as source:
        assert sum(1 for _ in source) == 3


def test_networks_of_arrays_take_files_of_arrays() -> None:
    assert {".npy", ".tiff", ".tar"} <= suffixes_for(InputSpec(32, 48, channels=4))
    assert ".npy" not in suffixes_for(InputSpec(32, 48))
