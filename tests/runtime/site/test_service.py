"""What systemd is told arrives at a real socket, and nobody is told where there is none."""

from __future__ import annotations

import os
import socket
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from edgeseg.runtime.site.service import ServiceManager

pytestmark = pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="there is no systemd here")


@contextmanager
def manager_at(address: str) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(address)
        heard.settimeout(30.0)
        yield heard


def test_messages_arrive(tmp_path_factory: pytest.TempPathFactory) -> None:
    address = os.path.relpath(tmp_path_factory.mktemp("s") / "n")  # such paths may have 107 bytes
    with manager_at(address) as heard:
        service = ServiceManager({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "2500000"})
        assert service.watchdog_s == 2.5
        service.ready("2 streams")
        service.status("gate: live\nyard: waiting")
        service.alive()
        before_us = time.monotonic_ns() // 1000
        service.reloading()
        service.stopping()
        assert heard.recv(4096) == b"READY=1\nSTATUS=2 streams"
        assert heard.recv(4096) == b"STATUS=gate: live yard: waiting"
        assert heard.recv(4096) == b"WATCHDOG=1"
        first, second = heard.recv(4096).decode().split("\n")
        assert first == "RELOADING=1"
        assert before_us <= int(second.removeprefix("MONOTONIC_USEC=")) <= time.monotonic_ns() // 1000
        assert heard.recv(4096) == b"STOPPING=1"


@pytest.mark.skipif(not os.path.exists("/proc/self"), reason="names without a file are Linux's")
def test_a_socket_without_a_file() -> None:
    name = f"edgeseg-test-{uuid.uuid4()}"
    with manager_at(f"\0{name}") as heard:
        ServiceManager({"NOTIFY_SOCKET": f"@{name}"}).ready()
        assert heard.recv(4096) == b"READY=1"


def test_without_a_manager_nothing_happens() -> None:
    service = ServiceManager({"WATCHDOG_USEC": "1000"})
    assert service.watchdog_s is None
    service.ready()
    ServiceManager({"NOTIFY_SOCKET": "/nonexistent/socket"}).ready()


@pytest.mark.parametrize(
    ("variables", "seconds"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "1000000", "WATCHDOG_PID": str(os.getpid())}, 1.0),
    ],
)
def test_the_watchdog_is_this_process_own(variables: dict[str, str], seconds: float | None) -> None:
    assert ServiceManager({"NOTIFY_SOCKET": "/s", **variables}).watchdog_s == seconds
