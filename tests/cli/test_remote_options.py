"""Flags by which a command works on a device, from the command line to a real SSH server and back."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from edgeseg import __version__
from edgeseg.cli import FAILED, USAGE, status_of
from edgeseg.engines.building.package import pack
from edgeseg.engines.packed import PackedRequest
from edgeseg.interrupts import INTERRUPTED
from edgeseg.runtime.profiling.report import read_profile
from tests.export import small_networks
from tests.exported_models import ExportedModels
from tests.remote.conftest import Server, keys, server
from tests.remote.test_device import doctor
from tests.runtime.profiling.reports import a_profile

__all__ = ["keys", "server"]  # fixtures

SMALL = ("--frames", "5", "--warmup", "1")


@pytest.mark.slow
def test_a_package_is_profiled_on_a_device(
    server: Server,
    exported: ExportedModels,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    packed, report = tmp_path / "unet.edgeseg", tmp_path / "report.json"
    pack(exported(small_networks.unet).path, packed, PackedRequest("onnxruntime", "fp32"))
    device = ["--on", server.device, "--remote-python", sys.executable]
    written = ["profile", str(packed), "synthetic:64x48", *SMALL, "--json", str(report)]
    assert status_of([*written, *device]) == 0
    printed = capsys.readouterr()
    assert "parity passed" in printed.out
    assert "loopback: " in printed.out
    assert "inference alone" in printed.out
    found = read_profile(report)
    assert (found.on, found.engine, found.backend) == ("loopback", "unet.edgeseg", "onnxruntime")
    assert found.latency_ms.samples == 5
    assert found.surroundings is not None
    assert server.left_behind == []


def test_options_that_were_given_go_to_the_device(
    server: Server, engine: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The stand-in for edgeseg there fails with what it was asked."""
    steps = f'if [ $1 = doctor ]; then {doctor(__version__)}\nelse echo "$@" >&2; [ $1 = verify ]; fi'
    device = ["--on", server.device, "--remote-edgeseg", server.put("edgeseg-there", steps)]
    baseline = tmp_path / "baseline.json"
    baseline.write_text(json.dumps(a_profile().to_json_value()))
    here = ["--json", str(tmp_path / "report.json"), "--check", str(baseline), "--max-slowdown", "5"]
    here.append("--check-anyway")
    options = ["--scenario", "offline", "--frames", "7", "--layers"]
    assert status_of(["profile", str(engine), "0", *options, *here, *device]) == FAILED
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith("error: edgeseg profile failed on loopback: profile ")
    assert said.endswith("/engine 0 --json - --scenario offline --frames 7 --layers")


def test_threads_are_those_of_the_device(
    server: Server, engine: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The stand-in for edgeseg there has 64 cores, more than this machine."""
    steps = (
        f'if [ $1 = doctor ]; then {doctor(__version__, cores=64)}\nelse echo "$@" >&2; [ $1 = verify ]; fi'
    )
    profile = ["profile", str(engine), "0", "--remote-edgeseg", server.put("edgeseg-there", steps)]
    assert status_of([*profile, "--threads", "48", "--on", server.device]) == FAILED
    assert capsys.readouterr().err.splitlines()[-1].endswith("/engine 0 --json - --threads 48")
    assert status_of([*profile, "--on", server.device, "--crf", "--crf-threads", "65"]) == USAGE
    assert "--crf-threads must be 1 to 64, the cores of loopback, got 65" in capsys.readouterr().err
    assert server.left_behind == []


@pytest.mark.usefixtures("children_hear_signals")
def test_after_ctrl_c_nothing_runs_or_is_left_on_the_device(server: Server, engine: Path) -> None:
    number = server.folder / "process"
    steps = f"if [ $1 = doctor ]; then {doctor(__version__)}\nelse echo $$ > {number}; exec sleep 600; fi"
    device = ["--on", server.device, "--remote-edgeseg", server.put("edgeseg-there", steps)]
    words = [sys.executable, "-m", "edgeseg", "profile", str(engine), *device]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True, start_new_session=True) as command:
        assert command.stderr is not None
        assert any("edgeseg verify" in line for line in command.stderr)
        while not number.exists() or not number.read_text():
            time.sleep(0.05)
        os.killpg(command.pid, signal.SIGINT)  # as a terminal does
        _, said = command.communicate(timeout=60)
    assert command.returncode == INTERRUPTED
    assert said == "interrupted\n"
    assert server.left_behind == []
    alive = subprocess.run(["kill", "-0", number.read_text().strip()], capture_output=True, check=False)
    assert alive.returncode != 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--remote-python", "python3"], "are for --on"),
        (["--on", "pi", "--remote-python", "a", "--remote-edgeseg", "b"], "give one of"),
        (["--on", "pi", "-o", "out.mp4"], "leave out -o"),
        (["--on=-oProxyCommand=x"], "takes user@device"),
    ],
)
def test_flags_that_do_not_go_together_are_refused(
    engine: Path, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status_of(["profile", str(engine), *arguments]) == USAGE
    assert said in capsys.readouterr().err
