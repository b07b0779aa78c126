"""Tell systemd how a service is doing: the protocol of sd_notify(3), which is one datagram a message."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping
from contextlib import suppress

from edgeseg.errors import one_line

SOCKET_VARIABLE, WATCHDOG_VARIABLE, PID_VARIABLE = "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"
_MICROSECONDS = 1e6


class ServiceManager:
    """What started this process, if it wants to be told; else nothing happens.

    Args:
        variables: of the environment; None stands for those of this process.

    Attributes:
        watchdog_s: seconds without `alive` after which it starts this process anew; None for never.
    """

    def __init__(self, variables: Mapping[str, str] | None = None) -> None:
        variables = os.environ if variables is None else variables
        self._address = variables.get(SOCKET_VARIABLE, "")
        self.watchdog_s = _watchdog_s(variables) if self._address else None

    def ready(self, status: str = "") -> None:
        """Say that start, or reload, is done."""
        self._send("READY=1", status)

    def reloading(self) -> None:
        """Say that settings are read again; `ready` follows."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """Say that the end has begun."""
        self._send("STOPPING=1")

    def status(self, text: str) -> None:
        """Give the line that `systemctl status` shows."""
        self._send("", text)

    def alive(self) -> None:
        """Keep the watchdog from what it does else."""
        self._send("WATCHDOG=1")

    def _send(self, message: str, status: str = "") -> None:
        if not self._address:
            return
        lines = [message] if message else []
        lines += [f"STATUS={one_line(status)}"] if status else []
        place = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.setblocking(False)
            sender.sendto("\n".join(lines).encode(), place)


def _watchdog_s(variables: Mapping[str, str]) -> float | None:
    microseconds, pid = variables.get(WATCHDOG_VARIABLE, ""), variables.get(PID_VARIABLE, "")
    if not microseconds.isdecimal() or int(microseconds) == 0 or (pid and pid != str(os.getpid())):
        return None
    return int(microseconds) / _MICROSECONDS
