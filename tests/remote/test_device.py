"""A device without edgeseg, or with one that is too old, is told with the command that mends it."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

from edgeseg import __version__
from edgeseg.errors import RemoteError
from edgeseg.machine import this_machine
from edgeseg.records import to_json_value
from edgeseg.remote.connection import Connection
from edgeseg.remote.device import examine

from .conftest import Server


def doctor(version: str, *, cores: int = 4) -> str:
    """A stand-in for edgeseg that knows `doctor`."""
    machine = replace(this_machine(), logical_cores=cores)
    findings = json.dumps({"edgeseg": version, "machine": to_json_value(machine)}, indent=2)
    return f"echo welcome to this device\ncat << 'END'\n{findings}\nEND"


def test_a_device_says_what_it_is(server: Server) -> None:
    server.put("edgeseg", doctor(__version__))
    with Connection(server.device) as connection:
        device = examine(connection, ["edgeseg"])
    assert device.version == __version__
    assert device.machine.cpu == this_machine().cpu


@pytest.mark.parametrize(
    ("words", "python"),
    [(["./venv/bin/edgeseg"], "python3"), (["python3", "-I", "-S", "-m", "edgeseg"], "python3")],
)
def test_without_edgeseg_the_command_that_installs_it_is_told(
    server: Server, words: list[str], python: str
) -> None:
    command = f"ssh loopback \"{python} -m pip install 'edgeseg[build,cpu]>={__version__}'\""
    with Connection(server.device) as connection, pytest.raises(RemoteError, match=re.escape(command)):
        examine(connection, words)


def test_an_older_version_is_refused(server: Server) -> None:
    server.put("edgeseg", doctor("0.0.9"))
    with (
        Connection(server.device) as connection,
        pytest.raises(RemoteError, match=r"0\.0\.9, older.*--upgrade"),
    ):
        examine(connection, ["edgeseg"])


@pytest.mark.parametrize("version", ["999.1", f"{__version__}+local"])
def test_a_newer_one_is_taken(server: Server, version: str) -> None:
    server.put("edgeseg", doctor(version))
    with Connection(server.device) as connection:
        assert examine(connection, ["edgeseg"]).version == version


def test_an_edgeseg_that_fails_is_quoted(server: Server) -> None:
    server.put("edgeseg", "echo error: numpy is broken >&2; exit 1")
    with (
        Connection(server.device) as connection,
        pytest.raises(RemoteError, match="loopback: numpy is broken"),
    ):
        examine(connection, ["edgeseg"])
