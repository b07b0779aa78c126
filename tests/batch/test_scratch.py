"""Temporary folders go with the process that had them, however it ended, and not before."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("fcntl")

from edgeseg.batch.scratch import scratch, sweep

HOLD = """
import sys
from edgeseg.batch.scratch import scratch
with scratch() as folder:
    (folder / "copy").write_bytes(b"data")
    print(folder, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of temporary files, of this process and of those that it starts."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    return tmp_path


def test_what_a_killed_process_had_is_swept_and_what_others_have_stays(temporary: Path) -> None:
    command = [sys.executable, "-c", HOLD]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        theirs = Path(process.stdout.readline().strip())
        with scratch() as ours:
            sweep()
            assert sorted(temporary.iterdir()) == sorted((ours, theirs))
            process.kill()
            process.wait()
            assert (theirs / "copy").exists()
            sweep()
            assert list(temporary.iterdir()) == [ours]
    assert list(temporary.iterdir()) == []


def test_links_are_not_followed(temporary: Path) -> None:
    with scratch() as folder:
        name = folder.name
    (temporary / "kept").mkdir()
    (temporary / name).symlink_to(temporary / "kept")
    sweep()
    assert (temporary / "kept").is_dir()
