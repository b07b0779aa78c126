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


def _running(folder: Path) -> tuple[subprocess.Popen[str], Path, Path]:
    """Start a run without an end; give its video and its lines once there is one."""
    engine, video, lines = labels_engine(folder / "engine"), folder / "v.mp4", folder / "r.jsonl"
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
    return process, video, lines


@pytest.mark.parametrize("asked_to_stop", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_finished_output_is_kept(asked_to_stop: signal.Signals, tmp_path: Path) -> None:
    process, video, lines = _running(tmp_path)
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
    assert done.stderr.endswith("running PyTorch\ninterrupted\n")
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("times", [1, 4])
@pytest.mark.parametrize("asked_to_stop", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("module", ["edgeseg.cli.verify", "onnx", "numpy"])
def test_a_stop_while_importing_is_one_line(
    module: str, asked_to_stop: signal.Signals, times: int, tmp_path: Path
) -> None:
    """The signals come while `module` is being imported."""
    program = (
        "import os, sys\n"
        "from edgeseg.__main__ import main\n"
        "class Finder:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name == {module!r}:\n"
        f"            for _ in range({times}):\n"
        f"                os.kill(os.getpid(), {int(asked_to_stop)})\n"
        "sys.meta_path.insert(0, Finder())\n"
        "sys.argv = ['edgeseg', 'verify', 'model.onnx']\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 130, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr in ("", "interrupted\n")


def test_what_a_library_makes_of_a_stop_is_an_interruption(tmp_path: Path) -> None:
    program = (
        "import os, signal, sys\n"
        "from edgeseg.__main__ import main\n"
        "class Finder:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'onnx':\n"
        "            try:\n"
        "                os.kill(os.getpid(), signal.SIGTERM)\n"
        "            except KeyboardInterrupt:\n"
        "                raise ImportError('initialization failed')\n"
        "sys.meta_path.insert(0, Finder())\n"
        "sys.argv = ['edgeseg', 'verify', 'model.onnx']\n"
        "main()\n"
    )
    (tmp_path / "model.onnx").write_bytes(b"")
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (130, "interrupted\n")


def test_signals_pressed_again_and_again_leave_finished_output(tmp_path: Path) -> None:
    process, video, lines = _running(tmp_path)
    deadline = time.monotonic() + STARTED_S
    while process.poll() is None and time.monotonic() < deadline:
        process.send_signal(signal.SIGINT)
        time.sleep(0.01)
    _, err = process.communicate(timeout=STARTED_S)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    written = lines.read_text().splitlines()
    assert cv2.VideoCapture(str(video)).get(cv2.CAP_PROP_FRAME_COUNT) == len(written) > 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["engine", "r.jsonl", "v.mp4"]


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
