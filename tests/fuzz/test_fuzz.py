"""No file and no text brings down, stops or fills a command: it is read, or refused in one line.

EDGESEG_FUZZ_SECONDS=600 looks for longer, EDGESEG_FUZZ_SEED=7 elsewhere. Of a fault, the case is printed with
the command that runs it again.
"""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

SECONDS = float(os.environ.get("EDGESEG_FUZZ_SECONDS", "30"))
SEED = int(os.environ.get("EDGESEG_FUZZ_SEED", "0"))
START_S = 300.0  # to import PyTorch on a busy machine
CASE_S = 60.0  # on a busy machine; a case takes milliseconds
ENDLESS = 10**9
ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_no_input_is_more_than_one_line() -> None:
    faults: list[str] = []
    case, ended = 0, 0
    deadline: float | None = None
    while deadline is None or time.monotonic() < deadline:
        worker = _Worker(case)
        deadline = deadline or time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            line = worker.line(CASE_S)
            if line is None:
                how = "hangs" if worker.alive() else f"ends the process ({worker.process.wait()})"
                faults.append(f"case {case} {how}: {worker.last}")
                case += 1
                break
            if line.startswith("case "):
                case = int(line.split()[1])
                ended += 1
            elif line.startswith("fault "):
                faults.append(line + worker.rest())
        worker.stop()
    replay = f"{sys.executable} -m tests.fuzz.worker {SEED} CASE 1"
    assert not faults, f"of {ended} cases; to run one again: {replay}\n" + "\n".join(faults)
    assert ended > 10


class _Worker:
    """A process that runs cases, and the lines it prints."""

    def __init__(self, first: int) -> None:
        command = [sys.executable, "-m", "tests.fuzz.worker", str(SEED), str(first), str(ENDLESS)]
        self.process = subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, errors="replace"
        )
        self._lines: queue.Queue[str | None] = queue.Queue()
        self.last = ""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        if self.line(START_S) != "ready":
            self.stop()
            raise AssertionError(f"the worker does not start: {self.last}")

    def line(self, timeout_s: float) -> str | None:
        """Wait for a line; None if there is none in time, or no more."""
        try:
            line = self._lines.get(timeout=timeout_s)
        except queue.Empty:
            return None
        self.last = line or self.last
        return line

    def rest(self) -> str:
        """Take the lines of a traceback, which come at once."""
        lines = []
        while (line := self.line(0.2)) is not None and not line.startswith("case "):
            lines.append(line)
        return "\n".join(["", *lines])

    def alive(self) -> bool:
        """Whether the process still runs."""
        return self.process.poll() is None

    def stop(self) -> None:
        """End the process, wherever it is."""
        self.process.kill()
        self.process.wait()
        self._reader.join()
        assert self.process.stdout is not None
        self.process.stdout.close()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line.rstrip("\n"))
        self._lines.put(None)
