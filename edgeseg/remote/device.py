"""Ask the edgeseg of a device what it is, and what the device is."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from edgeseg import __version__
from edgeseg.errors import RemoteError, shown
from edgeseg.machine import Machine
from edgeseg.records import from_json_value
from edgeseg.remote.connection import Answer, Connection

NOT_FOUND = (126, 127)  # of a shell: no such program, or none that may be run
EXTRAS = "build,cpu"  # what building and verifying need; another backend says by itself what it lacks


@dataclass(frozen=True)
class Device:
    """What a device says of itself."""

    version: str
    machine: Machine

    def __str__(self) -> str:
        return f"{self.machine.cpu}, {self.machine.logical_cores} cores, edgeseg {self.version}"


def examine(connection: Connection, edgeseg: Sequence[str]) -> Device:
    """Ask the device.

    Args:
        edgeseg: the words by which its edgeseg is run there.

    Raises:
        RemoteError: if there is no connection, no edgeseg, or one that is too old.
    """
    answer = connection.run([*edgeseg, "doctor", "--json", "-"])
    device = connection.device
    if answer.status in NOT_FOUND or "No module named edgeseg" in answer.errors:
        raise RemoteError(
            f"{device} has no {shlex.join(edgeseg)}; install it: {_pip(device, edgeseg)} - or say by "
            "--remote-python or --remote-edgeseg where it is"
        )
    found = _findings(answer)
    if answer.status != 0 or found is None:
        raise RemoteError(f"edgeseg doctor failed on {device}: {answer.says}")
    version = str(found.get("edgeseg"))
    if _release(version) < _release(__version__):
        raise RemoteError(
            f"{device} has edgeseg {shown(version)[1:-1]}, older than {__version__} here; bring it up to "
            f"date: {_pip(device, edgeseg, '--upgrade ')}"
        )
    return Device(version, from_json_value(Machine, found.get("machine"), where="machine"))


def _findings(answer: Answer) -> dict[str, Any] | None:
    """Read the report behind whatever a login's own scripts print before it."""
    start = re.search(r"^\{", answer.output, re.MULTILINE)
    if start is None:
        return None
    try:
        value, _ = json.JSONDecoder().raw_decode(answer.output, start.start())
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _pip(device: str, edgeseg: Sequence[str], flags: str = "") -> str:
    python = edgeseg[0] if "-m" in edgeseg else "python3"
    install = f"{shlex.quote(python)} -m pip install {flags}'edgeseg[{EXTRAS}]>={__version__}'"
    return f'ssh {shlex.quote(device)} "{install}"'


def _release(version: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", version.partition("+")[0])[:3]))
