"""Ctrl-C, a service manager or a lost connection leaves readable output and nothing half made."""

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


pytestmark = pytest.mark.usefixtures("children_hear_signals")


@pytest.mark.parametrize("asked_to_stop", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
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


@pytest.mark.parametrize("asked_to_stop", ["SIGTERM", "SIGHUP"])
def test_an_export_that_is_stopped_leaves_nothing_half_made(asked_to_stop: str, tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(
        "import os, signal\n"
        "from torch import nn\n"
        "class Net(nn.Conv2d):\n"
        "    def forward(self, image):\n"
        "        try:\n"
        f"            os.kill(os.getpid(), signal.{asked_to_stop})\n"
        "        finally:\n"
        f"            os.kill(os.getpid(), signal.{asked_to_stop})\n"
        "def make():\n"
        "    return Net(3, 2, 1)\n"
    )
    command = [
        sys.executable,
        "-m",
        "edgeseg",
        "export",
        "own.py:make",
        "--size",
        "32x32",
        "-o",
        "out/m.onnx",
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 130, done.stderr
    assert done.stderr.endswith("running PyTorch\ninterrupted; what was finished is kept\n")
    assert list((tmp_path / "out").iterdir()) == []


def test_nohup_is_heeded() -> None:
    program = (
        "import signal\n"
        "from edgeseg.cli import main\n"
        "signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
        "try:\n"
        "    main(['--version'])\n"
        "finally:\n"
        "    assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN\n"
        "    assert signal.getsignal(signal.SIGTERM) != signal.SIG_DFL\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
