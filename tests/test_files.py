"""Outputs are whole or absent, one run writes them at a time, and what killed runs left is removed."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from edgeseg.errors import EngineError, SinkError
from edgeseg.files import Claim, check_whole, is_passing, staged_file, staged_folder, sweep, write_whole

# Runs until it is killed, with the claim and something half written.
HOLDER = """
import sys, time
from pathlib import Path
from edgeseg.files import staged_file, staged_folder
path = Path(sys.argv[1])
with (staged_folder if sys.argv[2] == "folder" else staged_file)(path) as staged:
    (staged / "half" if sys.argv[2] == "folder" else staged).write_bytes(b"half")
    print("holds", flush=True)
    time.sleep(600)
"""


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def hold(path: Path, kind: str = "file") -> subprocess.Popen[str]:
    """Start a process that writes `path`, and wait until it does."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path), kind], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "holds\n"
    return process


def end(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    process.communicate()


def test_a_file_is_whole_or_absent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def write_half(path: Path, data: bytes) -> int:
        with path.open("wb") as file:
            file.write(data[: len(data) // 2])
        raise OSError(28, "No space left on device")

    write_whole(tmp_path / "kept.json", b"old")
    monkeypatch.setattr(Path, "write_bytes", write_half)
    for name in ("kept.json", "new.json"):
        with pytest.raises(SinkError, match="No space left on device"):
            write_whole(tmp_path / name, b"newer")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("kept.json", b"old")]


def test_a_link_stays_one_and_a_device_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "target.json").write_bytes(b"old")
    for name, target in [("link.json", tmp_path / "target.json"), ("null.json", Path("/dev/null"))]:
        (tmp_path / name).symlink_to(target)
        check_whole(tmp_path / name)
        write_whole(tmp_path / name, b"new")
        assert (tmp_path / name).readlink() == target
    assert (tmp_path / "target.json").read_bytes() == b"new"
    assert Path("/dev/null").is_char_device()


def test_looking_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "old.json").write_bytes(b"old")
    for name in ("old.json", "new.json"):
        check_whole(tmp_path / name)
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("old.json", b"old")]
    with pytest.raises(SinkError, match=r"cannot write .*(Not a directory|File exists)"):
        check_whole(tmp_path / "old.json" / "below.json")


@pytest.mark.parametrize("name", ["a.json", "engine", "engine.v2", "n" * 250 + ".json", "n." + "s" * 248])
def test_what_fails_leaves_nothing(tmp_path: Path, name: str) -> None:
    def fail(half: Path) -> None:
        half.write_bytes(b"half")
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"), staged_file(tmp_path / name) as staged:
        fail(staged)
    with pytest.raises(ValueError, match="no"), staged_folder(tmp_path / name) as staged:
        fail(staged / "half")
    assert names(tmp_path) == []
    write_whole(tmp_path / name, b"whole")
    assert names(tmp_path) == [name]


def test_a_folder_is_replaced_at_once(tmp_path: Path) -> None:
    for content in ("old", "new"):
        with staged_folder(tmp_path / "engine") as staged:
            (staged / content).touch()
    assert names(tmp_path) == ["engine"]
    assert names(tmp_path / "engine") == ["new"]


def test_a_second_writer_is_told_and_harms_nothing(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    link = tmp_path / "link.json"
    link.symlink_to(path)
    with staged_file(path) as staged:
        staged.write_bytes(b"first")
        for other in (path, link, tmp_path / "x" / ".." / "r.json"):
            with (
                pytest.raises(EngineError, match=r"another run writes .*; wait for it, or choose"),
                staged_file(other, EngineError),
            ):
                pass
    assert path.read_bytes() == b"first"
    assert names(tmp_path) == ["link.json", "r.json", "x"]


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_killed_writer_blocks_nobody_and_its_remains_go(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "out"
    other = hold(path, kind)
    try:
        with pytest.raises(SinkError, match="another run writes"):
            Claim(path)
        assert len(names(tmp_path)) == 2  # the lock, and what is half written
    finally:
        end(other)
    mine = [tmp_path / ".out.notes.part", tmp_path / ".other.0123abcd.part", tmp_path / "out.0123abcd.part"]
    for file in mine:
        file.touch()
    write_whole(path, b"whole")
    assert names(tmp_path) == sorted(["out", *(file.name for file in mine)])


def test_a_folder_that_was_moved_aside_when_its_writer_died_comes_back(tmp_path: Path) -> None:
    (tmp_path / ".engine.0123abcd.old").mkdir()
    (tmp_path / ".engine.0123abcd.old" / "manifest.json").touch()
    with Claim(tmp_path / "engine"):
        assert names(tmp_path / "engine") == ["manifest.json"]
    (tmp_path / ".engine.0123abcd.old").mkdir()
    with Claim(tmp_path / "engine"):
        pass
    assert names(tmp_path) == ["engine"]


def test_a_child_does_not_end_its_parents_claim(tmp_path: Path) -> None:
    program = """
import os, sys
from pathlib import Path
from edgeseg.files import Claim
claim = Claim(Path(sys.argv[1]))
if not os.fork():
    claim.release()
    sys.exit()
os.wait()
Claim(Path(sys.argv[1]))
"""
    command = [sys.executable, "-c", program, str(tmp_path / "r.json")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "SinkError: another run writes" in done.stderr


def test_where_there_are_no_locks_one_writes_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    (tmp_path / ".r.0123abcd.part.json").touch()
    monkeypatch.setattr("fcntl.flock", refuse)
    write_whole(tmp_path / "r.json", b"whole")
    assert names(tmp_path) == [".r.0123abcd.part.json", "r.json"]  # whose remains these are, nothing tells


def test_passing_names_are_told_from_others(tmp_path: Path) -> None:
    claim = Claim(tmp_path / "manifest.json")
    assert all(map(is_passing, [*names(tmp_path), claim.staging().name, claim.staging("old").name]))
    claim.release()
    assert not any(map(is_passing, ["manifest.json", ".gitignore", "model.part", ".model.part"]))


def test_what_killed_writers_left_is_swept_and_what_is_written_stays(tmp_path: Path) -> None:
    left = [".a.0123abcd.part.parquet", ".a.parquet.lock", ".b.89abcdef.part", ".a\nb.00000000.part.txt"]
    for name in (*left, "a.parquet", ".gitignore", ".model.part"):
        (tmp_path / name).write_bytes(b"")
    with Claim(tmp_path / "c.txt") as claim:
        claim.staging().write_bytes(b"half")
        before = names(tmp_path)
        sweep(tmp_path)
        assert names(tmp_path) == sorted(set(before) - set(left))
    sweep(tmp_path / "nowhere")
