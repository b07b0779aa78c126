"""A real SSH server on this machine, and devices on which other things than edgeseg answer."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import stat
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.servers.ports import free_port

SERVER = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
CLIENT = shutil.which("ssh")
SEPARATION = Path("/run/sshd")  # where a server that root starts locks up what it has not let in yet
PACKAGES = Path(__file__).parents[2]


@dataclass(frozen=True)
class Server:
    """A server that runs, and what its client is told.

    Attributes:
        device: its name in the client's configuration.
        folder: of keys, settings, and the temporary files of what is run there.
    """

    device: str
    folder: Path
    process: subprocess.Popen[str]

    @property
    def left_behind(self) -> list[str]:
        """Name what lies in its folder of temporary files."""
        return sorted(path.name for path in (self.folder / "tmp").iterdir())

    def put(self, name: str, script: str) -> str:
        """Write a program that the device has on its path; returns where it is."""
        path = self.folder / "bin" / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return str(path)


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the keys of a server and of a user, once they have let this user in."""
    if SERVER is None or CLIENT is None:
        pytest.skip("needs OpenSSH's client and server (openssh-client, openssh-server)")
    folder = tmp_path_factory.mktemp("keys")
    for name in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
    with _running(folder, tmp_path_factory.mktemp("tried")) as tried:
        login = [CLIENT, "-F", tried.folder / "ssh_config", tried.device, "true"]
        done = subprocess.run(login, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"this user cannot log in here: {done.stderr.strip()}")
    return folder


@pytest.fixture
def server(keys: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """Start a server that lets this user in, and put a client that knows it first on the path."""
    with _running(keys, tmp_path / "ssh") as running:
        client = running.folder / "client" / "ssh"
        client.parent.mkdir()
        client.write_text(f'#!/bin/sh\nexec {CLIENT} -F {running.folder / "ssh_config"} "$@"\n')
        client.chmod(0o755)
        monkeypatch.setenv("PATH", f"{client.parent}:{os.environ['PATH']}")
        yield running


@contextmanager
def _running(keys: Path, folder: Path) -> Iterator[Server]:
    for name in ("bin", "tmp"):
        (folder / name).mkdir(parents=True)
    (folder / "authorized").write_text((keys / "user.pub").read_text())
    port = free_port()
    _write_settings(folder, keys, port)
    if os.geteuid() == 0:
        SEPARATION.mkdir(mode=0o755, exist_ok=True)
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [str(SERVER), "-D", "-e", "-f", folder / "sshd_config"],
            stdin=subprocess.DEVNULL,
            stderr=log,
            text=True,
        )
        try:
            _await(port, process, folder / "log")
            yield Server("loopback", folder, process)
        finally:
            process.terminate()
            process.wait()


def _write_settings(folder: Path, keys: Path, port: int) -> None:
    path = f"{folder / 'bin'}:{os.environ['PATH']}"
    (folder / "sshd_config").write_text(
        f"ListenAddress 127.0.0.1\nPort {port}\nHostKey {keys / 'host'}\nPidFile none\n"
        f"AuthorizedKeysFile {folder / 'authorized'}\nStrictModes no\nUsePAM no\n"
        "PermitRootLogin prohibit-password\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n"
        f"SetEnv TMPDIR={folder / 'tmp'} PYTHONPATH={PACKAGES} PATH={path} OMP_NUM_THREADS=1\n"
    )
    host_key = (keys / "host.pub").read_text()
    (folder / "known").write_text(f"[127.0.0.1]:{port} {host_key}")
    (folder / "ssh_config").write_text(
        f"Host loopback\n  HostName 127.0.0.1\n  Port {port}\n  User {getpass.getuser()}\n"
        f"  IdentityFile {keys / 'user'}\n  IdentitiesOnly yes\n  IdentityAgent none\n"
        f"  UserKnownHostsFile {folder / 'known'}\n  GlobalKnownHostsFile /dev/null\n"
        "  StrictHostKeyChecking yes\n"
    )


def _await(port: int, process: subprocess.Popen[str], log: Path) -> None:
    end_s = time.monotonic() + 20
    while time.monotonic() < end_s:
        if process.poll() is not None:
            pytest.skip(f"the SSH server does not start here: {log.read_text().strip()}")
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.05)
    pytest.fail(f"the SSH server does not answer: {log.read_text()}")
