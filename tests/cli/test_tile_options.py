"""Flags of tiles, from the command line to the results."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgeseg.cli import status_of
from edgeseg.cli.tile_options import DEFAULT_OVERLAP
from edgeseg.runtime.tiles import tiling
from tests.cli.error_lines import error_line


def test_the_default_is_that_of_python() -> None:
    assert DEFAULT_OVERLAP == tiling.DEFAULT_OVERLAP


@pytest.mark.parametrize("tiles", [["auto"], ["3x2"], ["2x2", "--tile-overlap", "0.1"]])
def test_run_cuts_large_frames(engine: Path, tiles: list[str], tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    arguments = ["run", str(engine), "synthetic:256x192?frames=2", "-o", str(path), "--tiles", *tiles]
    assert status_of(arguments) == 0
    assert len(path.read_text().splitlines()) == 2


def test_run_says_that_a_small_frame_was_not_cut(
    engine: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    arguments = [
        "run",
        str(engine),
        "synthetic:40x32?frames=1",
        "-o",
        str(tmp_path / "r.jsonl"),
        "--tiles",
        "auto",
    ]
    assert status_of(arguments) == 0
    assert "note: frames of 40x32 need no tiles" in capfd.readouterr().err


def test_profile_measures_tiles(engine: Path, tmp_path: Path) -> None:
    path = tmp_path / "profile.json"
    arguments = [
        "profile",
        str(engine),
        "synthetic:256x192",
        "--frames",
        "2",
        "--warmup",
        "0",
        "--tiles",
        "2x2",
    ]
    assert status_of([*arguments, "--json", str(path)]) == 0
    assert json.loads(path.read_text())["frame_hw"] == [192, 256]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--tiles", "1x1"], "1x1 tiles are the whole frame"),
        (["--tiles", "many"], "write columns x rows"),
    ],
)
def test_nonsense_is_refused(
    engine: Path, flags: list[str], message: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert status_of(["run", str(engine), "synthetic:64x48", "--frames", "1", *flags]) == 2
    assert message in error_line(capfd)


def test_an_overlap_of_half_a_tile_is_refused(engine: Path, capfd: pytest.CaptureFixture[str]) -> None:
    flags = ["--tiles", "auto", "--tile-overlap", "0.5"]
    assert status_of(["run", str(engine), "synthetic:64x48", "--frames", "1", *flags]) == 2
    assert "0.5 is not in the range" in capfd.readouterr().err
