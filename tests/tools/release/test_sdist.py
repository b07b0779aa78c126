"""Who packs an sdist, and when, leaves no trace in it."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

from tools.release.sdist import settle

FILES = {"edgeseg-1/setup.py": (b"setup()", 0o664), "edgeseg-1/run": (b"#!/bin/sh", 0o775)}


def _packed(path: Path, names: list[str], made_s: int, user: str) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        folder = tarfile.TarInfo("edgeseg-1")
        folder.type, folder.mode, folder.mtime = tarfile.DIRTYPE, 0o700, made_s
        archive.addfile(folder)
        for name in names:
            data, mode = FILES[name]
            member = tarfile.TarInfo(name)
            member.size, member.mode, member.mtime, member.uname = len(data), mode, made_s, user
            archive.addfile(member, io.BytesIO(data))
    return path


def test_equal_contents_give_equal_bytes(tmp_path: Path) -> None:
    one = _packed(tmp_path / "one.tar.gz", list(FILES), 1_700_000_000, "ann")
    two = _packed(tmp_path / "two.tar.gz", list(FILES)[::-1], 1_800_000_000, "bob")
    assert one.read_bytes() != two.read_bytes()
    for path in (one, two):
        settle(path, 1_750_000_000)
    assert one.read_bytes() == two.read_bytes()


def test_what_is_in_it_stays(tmp_path: Path) -> None:
    path = _packed(tmp_path / "one.tar.gz", list(FILES), 1_700_000_000, "ann")
    settle(path, 1_750_000_000)
    with tarfile.open(path) as archive:
        assert [(one.name, one.mode, one.mtime, one.uname) for one in archive.getmembers()] == [
            ("edgeseg-1", 0o755, 1_750_000_000, ""),
            ("edgeseg-1/run", 0o755, 1_750_000_000, ""),
            ("edgeseg-1/setup.py", 0o644, 1_750_000_000, ""),
        ]
        file = archive.extractfile("edgeseg-1/run")
        assert file is not None
        assert file.read() == b"#!/bin/sh"
