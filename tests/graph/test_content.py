"""The bytes of a model come from one open file: none in its place is read, and no change goes unseen."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

import pytest

from edgeseg.errors import ExportError
from edgeseg.graph import content
from edgeseg.graph.content import Content

LATER_NS = 10**9


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "model.onnx").write_bytes(b"weights")
    return tmp_path / "model.onnx"


def test_a_file_is_read_and_hashed_as_often_as_it_is_asked_for(path: Path) -> None:
    kept = Content.of_file(path)
    assert kept.read() == kept.read() == b"weights"
    assert kept.sha256() == hashlib.sha256(b"weights").hexdigest()


def test_another_file_in_its_place_is_never_seen(path: Path) -> None:
    kept = Content.of_file(path)
    path.with_name("other").write_bytes(b"others")
    path.with_name("other").replace(path)
    assert kept.read() == b"weights"
    path.unlink()
    assert kept.read() == b"weights"


def test_a_changed_file_is_refused(path: Path) -> None:
    kept = Content.of_file(path)
    path.write_bytes(b"damages")
    os.utime(path, ns=(0, path.stat().st_mtime_ns + LATER_NS))  # clocks of file systems are coarse
    for again in (kept.read, kept.sha256):
        with pytest.raises(ExportError, match=r"model\.onnx was changed while it was read; try again"):
            again()


def test_bytes_leave_no_file_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    kept = Content.of_bytes(b"weights", "it")
    assert kept.read() == b"weights"
    assert not list(tmp_path.iterdir())


def test_bytes_without_room_are_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))
    with pytest.raises(ExportError, match=r"does not take the 7 bytes of it \(No such file.*set TMPDIR"):
        Content.of_bytes(b"weights", "it")


def test_a_file_beyond_what_a_model_can_be_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(content, "MAX_FILE_BYTES", 6)
    with pytest.raises(ExportError, match=r"has 7 bytes, an \.onnx file holds at most 6"):
        Content.of_file(path)
