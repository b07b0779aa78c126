"""Ctrl-C, or a service manager, in the middle of a run leaves readable output."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import pytest

from tests.runtime.tiny_models import labels_engine

STARTED_S = 60.0  # more than a start takes on a busy machine


@pytest.mark.parametrize("asked_to_stop", [signal.SIGINT, signal.SIGTERM])
def test_finished_output_is_kept(asked_to_stop: signal.Signals, tmp_path: Path) -> None:
    engine, video, lines = labels_engine(tmp_path / "engine"), tmp_path / "v.mp4", tmp_path / "r.jsonl"
    command = [sys.executable, "-m", "edgeseg", "run", str(engine), "synthetic:64x48"]
    process = subprocess.Popen(
        [*command, "-o", str(video), "-o", str(lines)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + STARTED_S
    while time.monotonic() < deadline and not (lines.exists() and lines.stat().st_size):
        time.sleep(0.05)
    process.send_signal(asked_to_stop)
    out, err = process.communicate(timeout=STARTED_S)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert "frames in" in out
    assert f"written: {video}" in out
    written = [json.loads(line) for line in lines.read_text().splitlines()]
    assert written
    assert cv2.VideoCapture(str(video)).get(cv2.CAP_PROP_FRAME_COUNT) == len(written)
