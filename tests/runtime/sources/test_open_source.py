from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeseg.errors import SourceError, UsageError
from edgeseg.runtime.sources import open_source
from edgeseg.runtime.sources.images import ImagesSource
from edgeseg.runtime.sources.video import VideoSource

from ..fakes import write_video


def test_each_kind_of_path_finds_its_source(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((4, 5, 3), np.uint8))
    (tmp_path / "photo").write_bytes((tmp_path / "a.png").read_bytes())
    video = write_video(tmp_path / "v.mp4", 3)
    image = tmp_path / "a.png"
    for path, kind, file in (
        (tmp_path, ImagesSource, image),
        (image, ImagesSource, image),
        (video, VideoSource, video),
    ):
        with open_source(path) as source:
            assert type(source) is kind
            assert source.files == [file]
            assert not source.live
    with open_source(tmp_path / "photo") as source:  # known by its content
        assert type(source) is ImagesSource


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nowhere.mp4", "there is no file or folder"),
        ("1234", "there is no file or folder"),
        ("250", "cannot open camera 250"),
        ("/dev/video250", "cannot open camera /dev/video250"),
        ("rtsp://me:secret@127.0.0.1:1/x", r"cannot open rtsp://\*\*\*@127.0.0.1:1/x"),
        ("http://127.0.0.1:1/x", "cannot open http://127.0.0.1:1/x"),
        ("gst:nonsense", "GStreamer"),
    ],
)
def test_what_cannot_be_opened_is_one_line_without_the_password(text: str, message: str) -> None:
    with pytest.raises(SourceError, match=message) as caught:
        open_source(text)
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "ftp://host/x.mp4", "synthetic:big", "synthetic:64x48?colour=red"])
def test_what_is_no_source_is_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError):
        open_source(text)


def test_a_misspelt_path_names_the_nearest_file(tmp_path: Path) -> None:
    write_video(tmp_path / "street.mp4", 2)
    with pytest.raises(SourceError, match=r"did you mean .*street\.mp4"):
        open_source(tmp_path / "stret.mp4")


@pytest.mark.parametrize("name", ["empty.mp4", "empty.png"])
def test_an_empty_file_is_called_empty(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    with pytest.raises(SourceError, match="is empty"):
        open_source(tmp_path / name)


def test_a_pipe_is_not_called_empty(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(SourceError, match=r"a pipe\?.*save its content"):
        open_source(tmp_path / "pipe")


def test_bad_files_leave_stderr_to_the_message(tmp_path: Path) -> None:
    (tmp_path / "noise.mp4").write_bytes(bytes(range(256)) * 16)
    (tmp_path / "noise.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)))
    program = (
        "import sys\n"
        "from edgeseg.errors import SourceError\n"
        "from edgeseg.runtime.sources import open_source\n"
        "for path in sys.argv[1:]:\n"
        "    try:\n"
        "        list(open_source(path))\n"
        "    except SourceError:\n"
        "        continue\n"
        "    sys.exit(f'{path} was read')\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "noise.mp4"), str(tmp_path / "noise.png"), "250"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
