"""A Python of the version that was asked for is found, and no other is taken for it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tools.release import pythons

THIS = sys.version_info[1]


def _shims(folder: Path, *programs: str) -> None:
    for name in programs:
        (folder / name).write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
        (folder / name).chmod(0o755)


def test_what_the_path_or_pyenv_has_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _shims(tmp_path, f"python3.{THIS}")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert pythons.python_of(THIS, tmp_path / "root") == Path(f"python3.{THIS}")


def test_what_calls_itself_another_version_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _shims(tmp_path, f"python3.{THIS + 20}")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(pythons, "_unpacked", lambda minor, root: root / str(minor))
    assert pythons.python_of(THIS + 20, tmp_path / "root") == tmp_path / "root" / str(THIS + 20)
