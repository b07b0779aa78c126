"""Run programs on a device by the OpenSSH client, over one connection, and copy files there."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import tarfile
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from edgeseg.errors import RemoteError, UsageError, shown
from edgeseg.remote.failures import LOST, NO_SPACE, SSH_FAILED, explain, last_line, runs_nothing

NO_CLIENT = "OpenSSH's client is not installed here; install it, such as by: apt install openssh-client"
DESTINATION = re.compile(r"[^\s\-][^\s]*")  # what begins with - would be an option
OPTIONS = {
    "BatchMode": "yes",  # keys and their passphrases are the agent's business: nothing is asked for
    "ConnectTimeout": "15",  # seconds
    "ServerAliveInterval": "5",  # seconds; after three without an answer the connection is lost
    "ServerAliveCountMax": "3",
    "ControlMaster": "auto",
    "ControlPersist": "60",  # seconds, should this process be killed
}
BEGUN = "edgeseg: the program begins"  # on a line of its own: what stands before it is the login's
BEGIN = 'echo "$0" >&2; exec "$@"'  # arguments of this and the next: $0, $1, ...
REMEMBER = 'echo $$ > "$0" && exec "$@"'
FORGET = (
    'if [ -n "$1" ] && read -r pid < "$0/pid" && kill "$pid"; then n=0; '
    'while [ $n -lt 10 ] && kill -0 "$pid"; do sleep 1; n=$((n + 1)); done; fi 2> /dev/null; rm -rf -- "$0"'
)
READ_S = 5.0  # for the last errors, should something that stays behind hold the pipe open


@dataclass(frozen=True)
class Answer:
    """How a program on the device ended, and what it wrote."""

    status: int
    output: str
    errors: str

    @property
    def says(self) -> str:
        """The last line of its errors, or of its output."""
        return last_line(self.errors) or last_line(self.output) or f"exit status {self.status}"


class Connection:
    """One connection to a device, within a `with` block; how it is reached is said in ~/.ssh/config.

    Args:
        device: what OpenSSH takes as destination: `host`, `user@host`, or a name of ~/.ssh/config.

    Raises:
        UsageError: if it cannot be a destination.
    """

    def __init__(self, device: str) -> None:
        if not DESTINATION.fullmatch(device):
            raise UsageError(f"--on takes user@device as ssh does, got {shown(device)}")
        self.device = device
        self._folder = tempfile.TemporaryDirectory(prefix="edgeseg-ssh-")  # short: paths of sockets are
        self._socket = Path(self._folder.name) / "c"
        self._reached = False  # whether a program has ever been answered for
        self._in_work = False  # whether a program may still run in the remote folder

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *exception: object) -> None:
        with suppress(OSError, subprocess.TimeoutExpired):
            subprocess.run(
                self._client("-O", "exit"),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=10,
                check=False,
                start_new_session=True,
            )
        self._folder.cleanup()

    def run(self, words: Sequence[str], *, on_line: Callable[[str], None] | None = None) -> Answer:
        """Run a program and wait for its end.

        Args:
            words: the program and its arguments, which its shell takes as they are.
            on_line: called with each line of its errors as it comes.

        Raises:
            RemoteError: if there is no connection, it is lost, or the device runs nothing for this user.
        """
        with self._started(words, stdin=subprocess.DEVNULL, on_line=on_line) as process:
            assert process.stdout is not None
            output = _text(process.stdout.read())
        return self._answer(process, output)

    def work(
        self, folder: str, words: Sequence[str], *, on_line: Callable[[str], None] | None = None
    ) -> Answer:
        """Run a program as `run` does, so that it can be ended when `folder` is removed."""
        self._in_work = True
        answer = self.run(["sh", "-c", REMEMBER, f"{folder}/pid", *words], on_line=on_line)
        self._in_work = False
        return answer

    def send(self, files: Mapping[str, Path], folder: str) -> None:
        """Copy files, or folders with all that is in them, into a folder of the device by their names there.

        Raises:
            RemoteError: if there is no connection, or no space.
        """
        with self._started(["tar", "-xf", "-", "-C", folder], stdin=subprocess.PIPE) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            with suppress(BrokenPipeError):  # tar says why it ended
                _pack(files, process.stdin)
            with suppress(BrokenPipeError):
                process.stdin.close()
            output = _text(process.stdout.read())
        answer = self._answer(process, output)
        if answer.status != 0:
            raise RemoteError(f"{self.device} took no files: {answer.says}")

    @contextmanager
    def folder(self) -> Iterator[str]:
        """Make a folder on the device for the block, and remove it after, with what runs in it."""
        answer = self.run(["mktemp", "-d"])
        folder = last_line(answer.output)
        if answer.status != 0 or not folder.startswith("/"):
            raise RemoteError(f"{self.device} gives no folder to work in: {answer.says}")
        try:
            yield folder
        finally:
            self._remove(folder)

    def _remove(self, folder: str) -> None:
        """Remove a folder; if the connection is lost, a last try is made on a new one."""
        words = ["sh", "-c", FORGET, folder, "kill" if self._in_work else ""]
        with suppress(RemoteError):
            self.run(words)
            return
        with suppress(OSError):
            self._socket.unlink()
        with suppress(RemoteError):
            self.run(words)

    def _answer(self, process: subprocess.Popen[bytes], output: str) -> Answer:
        errors = "".join(self._heard.lines)
        if process.returncode == SSH_FAILED or process.returncode < 0:
            if self._heard.begun or (self._reached and not errors):  # a client that fails to connect says why
                raise RemoteError(LOST.format(device=self.device))
            raise RemoteError(explain(self.device, errors))
        self._reached = True
        if not self._heard.begun:
            raise RemoteError(runs_nothing(self.device, output, errors))
        if process.returncode != 0 and NO_SPACE.search(errors):
            raise RemoteError(
                f"{self.device} has no space left in its temporary folder; make room, or let its TMPDIR be "
                "elsewhere"
            )
        return Answer(process.returncode, output, errors)

    @contextmanager
    def _started(
        self, words: Sequence[str], *, stdin: int, on_line: Callable[[str], None] | None = None
    ) -> Iterator[subprocess.Popen[bytes]]:
        """Start the client; its errors are read in a thread, and it is ended if the block fails."""
        self._heard = _Heard(on_line)
        try:
            process = subprocess.Popen(
                [*self._client(), shlex.join(["sh", "-c", BEGIN, BEGUN, *words])],
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={**os.environ, "LC_ALL": "C"},  # its messages are read
                start_new_session=True,  # Ctrl-C is ours: the folder is removed over this connection
            )
        except FileNotFoundError:
            raise RemoteError(NO_CLIENT) from None
        assert process.stderr is not None
        reader = threading.Thread(target=self._heard.read, args=(process.stderr,), daemon=True)
        reader.start()
        try:
            yield process
            process.wait()
        except BaseException:
            process.kill()
            raise
        finally:
            process.wait()
            reader.join(timeout=READ_S)
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    with suppress(OSError):
                        stream.close()

    def _client(self, *options: str) -> list[str]:
        pairs = {**OPTIONS, "ControlPath": str(self._socket)}
        settings = [word for name, value in pairs.items() for word in ("-o", f"{name}={value}")]
        return ["ssh", *settings, *options, "--", self.device]


class _Heard:
    """What the client and the program write as errors.

    Attributes:
        lines: so far, those of the program from its beginning on.
        begun: whether the device has begun to run the program.
    """

    def __init__(self, on_line: Callable[[str], None] | None) -> None:
        self.lines: list[str] = []
        self.begun = False
        self._on_line = on_line

    def read(self, stream: IO[bytes]) -> None:
        """Take all lines until the end."""
        with stream:
            for line in map(_text, stream):
                if not self.begun and line.rstrip() == BEGUN:
                    self.lines, self.begun = [], True
                    continue
                self.lines.append(line)
                if self.begun and self._on_line is not None and line.strip():
                    self._on_line(line.rstrip())


def _text(written: bytes) -> str:
    return written.decode(errors="replace")


def _pack(files: Mapping[str, Path], target: IO[bytes]) -> None:
    """Write a tar archive to a pipe."""
    with tarfile.open(fileobj=target, mode="w|", dereference=True) as archive:
        for name, path in files.items():
            archive.add(path, arcname=name, filter=_without_owner)


def _without_owner(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member
