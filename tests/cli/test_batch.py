"""`edgeseg batch` says what it would do, what it did, and goes on."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pyarrow")

from edgeseg.cli import status_of
from tests.batch.archives import picture, rows_of, samples, write_pictures, write_tar
from tests.cli.error_lines import error_line
from tests.runtime.tiny_models import labels_engine


@pytest.fixture
def arguments(tmp_path: Path) -> list[str]:
    write_pictures(tmp_path / "in", 5)
    (tmp_path / "in" / "notes.txt").write_text("of no use")
    engine = labels_engine(tmp_path / "engine")
    return ["batch", str(engine), str(tmp_path / "in" / "**"), "-o", str(tmp_path / "out"), "--workers", "1"]


def test_check_changes_nothing(arguments: list[str], tmp_path: Path, capsys: Any) -> None:
    assert status_of([*arguments, "--check"]) == 0
    out = capsys.readouterr().out
    assert "5 files (5 pictures) in " in out
    assert "have no results, about 5 frames" in out
    assert "1 files are neither pictures nor videos nor shards by their names" in out
    assert status_of([*arguments, "--check", "--json", str(tmp_path / "check.json")]) == 0
    assert "5 files (5 pictures) in " in capsys.readouterr().out
    assert status_of([*arguments, "--check", "--json", "-"]) == 0
    planned = json.loads(capsys.readouterr().out)
    assert planned == json.loads((tmp_path / "check.json").read_text())
    expected = {"files": 5, "pictures": 5, "videos": 0, "frames": 5, "done_before": 0, "left_out": 1}
    assert expected.items() <= planned.items()
    assert not (tmp_path / "out").exists()


def test_check_tells_kinds_and_what_would_be_removed(
    arguments: list[str], tmp_path: Path, capsys: Any
) -> None:
    write_tar(tmp_path / "in" / "a.tar", samples(3))
    write_tar(tmp_path / "in" / "b.tar", {"0.left.png": picture(0), "0.right.png": picture(1)})
    assert status_of([*arguments, "--check"]) == 0
    assert "7 files (5 pictures, 2 shards) in 3 pieces; 3 have no results, about 10 frames" in (
        capsys.readouterr().out
    )
    assert status_of(arguments) == 0
    assert "frames: 10/10, " in capsys.readouterr().err
    assert status_of([*arguments, "--check", "--image", "left.png"]) == 0
    out = capsys.readouterr().out
    assert "3 pieces; 2 have no results, about 2 frames" in out
    assert "/out/parts holds 1 of 3 parts" in out
    assert "2 parts hold earlier results of these files, which would be removed" in out


def test_a_store_that_cannot_be_opened_is_one_line(arguments: list[str], capsys: Any) -> None:
    arguments[arguments.index("-o") + 1] = "nowhere://bucket/out"
    assert status_of(arguments) == 2
    assert "cannot open nowhere://bucket" in error_line(capsys)


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ("in/0.png", "in/0.png is no folder; choose another path"),
        ("in/0.png/out", "in/0.png is no folder; choose another path"),
        ("http://127.0.0.1:9/out", "http:// is only read; give a folder, or a store"),
    ],
)
def test_an_output_that_cannot_be_written_is_told_before_anything_is_done(
    arguments: list[str], tmp_path: Path, capsys: Any, *, output: str, said: str
) -> None:
    arguments[arguments.index("-o") + 1] = output if "://" in output else str(tmp_path / output)
    for check in (["--check"], []):
        assert status_of([*arguments, *check]) == 1
        assert said in error_line(capsys)


def test_an_output_that_others_own_is_told_by_check(arguments: list[str], tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir(0o555)
    arguments[arguments.index("-o") + 1] = str(tmp_path / "theirs" / "out")
    drop: list[str] = []
    if os.geteuid() == 0:  # who may write everything
        drop = ["setpriv", "--bounding-set", "-dac_override"]
        if shutil.which("setpriv") is None:
            pytest.skip("setpriv (of util-linux) is not installed")
    command = [*drop, sys.executable, "-m", "edgeseg", *arguments, "--check"]
    run = subprocess.run(command, check=False, capture_output=True, text=True)
    assert run.returncode == 1
    assert "no right to write in" in run.stderr


def test_addresses_in_capitals_or_within_others_make_no_folder_here(
    arguments: list[str], tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.iterdir())
    for output, said in (("MEMORY://bucket/out", "lies in the memory"), ("zip::s3://b/x", "unpacked")):
        arguments[arguments.index("-o") + 1] = output
        assert status_of(arguments) == 2
        assert said in error_line(capsys)
    assert sorted(tmp_path.iterdir()) == before


def test_a_model_in_place_of_an_engine_is_told_how_to_become_one(
    arguments: list[str], tmp_path: Path, capsys: Any
) -> None:
    arguments[1] = str(tmp_path / "model.onnx")
    (tmp_path / "model.onnx").write_bytes(b"a model")
    for check in (["--check"], []):
        assert status_of([*arguments, *check]) == 1
        assert f"make one: edgeseg build {arguments[1]}" in error_line(capsys)


def test_what_was_done_is_said_and_is_json(arguments: list[str], tmp_path: Path, capsys: Any) -> None:
    assert status_of([*arguments, "--json", "-"]) == 0
    done = json.loads(capsys.readouterr().out)
    assert (done["files"], done["frames"], done["errors"], done["workers"]) == (5, 5, 0, 1)
    assert done["frames_per_s"] > 0
    assert status_of(arguments) == 0
    assert f"{done['pieces']} of them from before" in capsys.readouterr().out
    assert len(rows_of(tmp_path / "out")) == 5


def test_a_pattern_that_finds_nothing_is_one_line(arguments: list[str], tmp_path: Path, capsys: Any) -> None:
    assert status_of(["batch", arguments[1], str(tmp_path / "no/**"), "-o", str(tmp_path / "out")]) == 1
    assert "no/** finds no file" in error_line(capsys)
