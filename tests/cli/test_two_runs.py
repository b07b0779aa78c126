"""Of two runs on one output the second says so in one line; what a killed one left goes with the next."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import pytest

from edgeseg.cli import status_of

STARTED_S = 60.0  # more than a start takes on a busy machine

pytestmark = pytest.mark.usefixtures("children_hear_signals")


def start(engine: Path, *outputs: Path) -> subprocess.Popen[str]:
    """Start a run that never ends, and wait until it has begun a video and written a line."""
    options = [word for path in outputs for word in ("-o", str(path))]
    process = subprocess.Popen(
        [sys.executable, "-m", "edgeseg", "run", str(engine), "synthetic:64x48", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    video, *_, lines = outputs
    deadline = time.monotonic() + STARTED_S
    while time.monotonic() < deadline:
        begun = list(video.parent.glob(f".{video.stem}.*.part{video.suffix}"))
        if begun and lines.exists() and lines.read_bytes().count(b"\n") > 1:
            break
        time.sleep(0.05)
    return process


def test_the_second_run_is_refused_and_the_first_ends_whole(
    engine: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    outputs = video, maps, lines = tmp_path / "v.mp4", tmp_path / "maps", tmp_path / "r.jsonl"
    first = start(engine, *outputs)
    try:
        for output in outputs:
            assert status_of(["run", str(engine), "synthetic:64x48?frames=1", "-o", str(output)]) == 1
            (error,) = [line for line in capfd.readouterr().err.splitlines() if line.startswith("error")]
            assert "another run writes" in error
    finally:
        first.send_signal(signal.SIGINT)
        first.communicate(timeout=STARTED_S)
    written = lines.read_text().splitlines()
    assert cv2.VideoCapture(str(video)).get(cv2.CAP_PROP_FRAME_COUNT) == len(written) > 1
    assert len(list(maps.glob("*.png"))) == len(written)
    assert not list(tmp_path.rglob(".*"))


def test_a_killed_run_blocks_nobody_and_its_remains_go(engine: Path, tmp_path: Path) -> None:
    outputs = video, maps, lines = tmp_path / "v.mp4", tmp_path / "maps", tmp_path / "r.jsonl"
    first = start(engine, *outputs)
    first.kill()
    first.communicate(timeout=STARTED_S)
    assert list(tmp_path.glob(".v.*.part.mp4"))
    arguments = [word for path in outputs for word in ("-o", str(path))]
    assert status_of(["run", str(engine), "synthetic:64x48?frames=2", *arguments]) == 0
    assert cv2.VideoCapture(str(video)).get(cv2.CAP_PROP_FRAME_COUNT) == 2
    assert len(lines.read_text().splitlines()) == 2
    assert (maps / "classes.json").exists()
    assert not list(tmp_path.rglob(".*"))
