"""A contender in a process of its own, which waits on a pipe until it is told to run."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from edgeseg.signals import signal_name

ROOT = Path(__file__).parents[2]
OPENING_TIMEOUT_S = 240.0
RUN_TIMEOUT_S = 120.0


@dataclass
class Process:
    """A contender that was started: what it said when it was open, and its times.

    Attributes:
        name: as the table shows it.
        opened: what `serving` said; `refused` holds a reason, if there is one.
        times_ms: of its runs.
        infer_ms: of the network alone, in the same runs; zeros where it is not taken.
        processor_ms: that all of its threads took for a run.
    """

    name: str
    child: subprocess.Popen[bytes]
    opened: dict[str, Any] = field(default_factory=dict)
    times_ms: list[float] = field(default_factory=list)
    infer_ms: list[float] = field(default_factory=list)
    processor_ms: list[float] = field(default_factory=list)

    @property
    def refused(self) -> str | None:
        """Say why it does not run, None if it does."""
        reason: str | None = self.opened.get("refused")
        return reason

    def run(self, times: int) -> dict[str, float] | None:
        """Have it run so many times; give the medians `ms` and `infer_ms`, None if it stopped."""
        assert self.child.stdin is not None
        try:
            self.child.stdin.write(f"{times}\n".encode())
            self.child.stdin.flush()
        except BrokenPipeError:
            self.opened["refused"] = self._ending()
            return None
        answer = self._answer(RUN_TIMEOUT_S)
        self.opened.update({k: v for k, v in answer.items() if k == "refused"})
        return answer if "ms" in answer else None

    def close(self) -> None:
        """End it."""
        self.child.kill()
        self.child.wait()

    def wait_until_open(self, timeout_s: float) -> None:
        """Read what it says once it is open."""
        self.opened = self._answer(timeout_s)

    def _answer(self, timeout_s: float) -> dict[str, Any]:
        assert self.child.stdout is not None
        line = _line(self.child.stdout, timeout_s)
        if line is None:
            self.close()
            return {"refused": _over(timeout_s)}
        if not line:
            return {"refused": self._ending()}
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _ending(self) -> str:
        status = self.child.wait()
        return f"ended by {signal_name(-status)}" if status < 0 else f"ended with status {status}"


def start(
    name: str,
    case: Path,
    threads: int,
    *,
    python: str = sys.executable,
    engine: Path | None = None,
    opening_s: float = OPENING_TIMEOUT_S,
) -> Process:
    """Start a contender and wait until it is open, or has said why not."""
    given_up = case / f"{name.replace(' ', '-')}-{threads}.given-up"
    if given_up.exists():  # a rerun does not wait as long again
        return absent(name, f"{given_up.read_text()} to open when it was first tried")
    command = [python, "-m", "benchmarks.peers.serving", str(case), name, "--threads", str(threads)]
    if engine is not None:
        command += ["--engine", str(engine)]
    environment = {**os.environ, "TORCHINDUCTOR_CACHE_DIR": str(case.parent / "inductor")}
    with (case / f"{name.replace(' ', '-')}.log").open("wb") as log:
        child = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            bufsize=0,
        )
    process = Process(name, child)
    process.wait_until_open(opening_s)
    if process.refused == _over(opening_s):
        given_up.write_text(process.refused)
    return process


def absent(name: str, reason: str) -> Process:
    """Give a contender that is not started, and say why."""
    return Process(name, subprocess.Popen(["true"]), {"refused": reason})


def _over(timeout_s: float) -> str:
    return f"takes over {timeout_s:.0f} s"


def _line(pipe: IO[bytes], timeout_s: float) -> bytes | None:
    """Read a line; None if it does not come in time, empty at the end."""
    deadline, line = time.monotonic() + timeout_s, b""
    while not line.endswith(b"\n"):
        ready, _, _ = select.select([pipe], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            return None
        part = os.read(pipe.fileno(), 1 << 16)
        if not part:
            return b""
        line += part
    return line
