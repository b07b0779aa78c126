"""`edgeseg serve` refuses what cannot be served, before anything starts."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from edgeseg.cli import status_of
from tests.runtime.tiny_models import labels_engine


@pytest.mark.parametrize(
    ("flags", "why"),
    [
        (["--at", "localhost"], "--at takes [HOST:]PORT, such as 8000 or 0.0.0.0:8000, got 'localhost'"),
        (["--at", "70000"], "--at takes [HOST:]PORT"),
        (["--replicas", "4:2"], "--replicas takes MIN[:MAX], such as 2 or 1:4, got '4:2'"),
        (["--replicas", "0"], "--replicas takes MIN[:MAX]"),
    ],
)
def test_numbers_that_are_none_are_refused(
    flags: list[str], why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status_of(["serve", "engine", *flags]) == 2
    assert why in capsys.readouterr().err


@pytest.mark.parametrize("name", ["a/b", "a?b", "a#b", "a%2Fb", "a b", "", ".", "..", "straße"])
def test_a_name_that_no_client_can_call_is_refused(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = f"no client can call a model {name!r}; give a --name of letters, digits, dots, - and _"
    assert status_of(["serve", "engine", "--name", name]) == 2
    assert said in capsys.readouterr().err
    if name.strip(".") and "/" not in name:  # the folder of an engine may be called so
        assert status_of(["serve", str(tmp_path / name)]) == 2
        assert said in capsys.readouterr().err


def test_an_engine_must_be_there_and_the_port_free(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status_of(["serve", str(tmp_path / "none")]) == 1
    assert "does not exist; give an engine's folder" in capsys.readouterr().err
    engine = labels_engine(tmp_path / "engine")
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        assert status_of(["serve", str(engine), "--at", str(other.getsockname()[1])]) == 2
    assert "Address already in use); give another --at" in capsys.readouterr().err


@pytest.mark.minutes
def test_a_stop_ends_the_server_in_order(tmp_path: Path) -> None:
    """Ray's core takes SIGTERM for a crash, if it is let."""
    pytest.importorskip("ray.serve")
    engine = labels_engine(tmp_path / "engine")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "edgeseg", "serve", str(engine), "--at", str(port), "--name", "tiny"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as serving:
        assert serving.stdout is not None
        assert f"tiny is served at http://127.0.0.1:{port}/v2 by 1 replica" in serving.stdout.readline()
        with urlopen(f"http://127.0.0.1:{port}/v2/models/tiny/ready") as answer:
            assert answer.status == 200
        with urlopen(Request(f"http://127.0.0.1:{port}/v2/health/live", method="HEAD")) as answer:
            assert (answer.status, answer.read()) == (200, b"")
        serving.send_signal(signal.SIGTERM)
        _, said = serving.communicate()
    *waited, last = said.splitlines()
    assert (serving.returncode, last) == (130, "interrupted")
    slow = "0 of 1 replicas run so far"  # is said on a machine that is slow to start
    assert [line for line in waited if slow not in line] == []
