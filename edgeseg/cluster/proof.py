"""Prove an engine beside cameras, in a process whose time and memory are not theirs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO

from edgeseg.errors import EngineError
from edgeseg.runtime.profiling.processor_time import ProcessorTime, time_of

VERIFY_S = 900.0  # that a proof may take
POLL_S = 0.1  # between two looks at whether it has ended
NICENESS = 10  # of a proof, above that of its node: it must not take the cameras' time
MOST_NICENESS = 19  # that there is
VERIFY = """
import os, runpy, sys, threading

def end():
    os.read(sys.stdin.fileno(), 1)
    os._exit(1)

threading.Thread(target=end, daemon=True).start()
runpy.run_module("edgeseg", run_name="__main__", alter_sys=True)
"""  # ends with the node, whose end closes its standard input
GIVEN_UP = "its proof was given up for another engine's"


class Proofs:
    """Runs `edgeseg verify` on engines, one at a time: a newer proof ends the older. Any thread may call."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # what a proof took is either its process's or in `_ended_s`
        self._processes: list[subprocess.Popen[bytes]] = []
        self._ended_s = 0.0

    @property
    def processes(self) -> tuple[int, ...]:
        """The numbers of those that run."""
        return tuple(process.pid for process in tuple(self._processes))

    def prove(self, folder: Path) -> None:
        """Prove an engine, in a process whose end harms nobody here.

        Raises:
            EngineError: with what it said, if it failed; also if a newer proof took its place.
        """
        with tempfile.TemporaryFile() as errors:
            process = self._start(folder, errors)
            deadline_s = time.monotonic() + VERIFY_S
            while (status := self._ended(process)) is None:
                if time.monotonic() > deadline_s:
                    self._kill(process)
                    raise EngineError(f"its proof took longer than {VERIFY_S:g} s")
                time.sleep(POLL_S)
            errors.seek(0)
            said = errors.read().decode(errors="replace")
        if process is not self._newest:
            raise EngineError(GIVEN_UP)
        if status < 0:
            raise EngineError(f"its proof died of signal {-status}")
        if status:
            last = said.strip().rpartition("\n")[2].removeprefix("error: ")
            raise EngineError(last or f"its proof ended with status {status}")

    def measure(self, read: Callable[[], ProcessorTime]) -> tuple[ProcessorTime, float]:
        """Read the counters, and the seconds among them that all proofs took so far."""
        with self._lock:
            now = read()
            return now, self._ended_s + sum(time_of(Path("/"), process) for process in self.processes)

    def close(self) -> None:
        """End all that run."""
        for process in tuple(self._processes):
            self._kill(process)

    def _start(self, folder: Path, errors: IO[bytes]) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-c", VERIFY, "verify", str(folder)]
        with self._lock:
            process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=errors
            )
            older, self._processes = self._processes, [*self._processes, process]
            self._newest = process
        with suppress(OSError):
            own = os.getpriority(os.PRIO_PROCESS, 0)
            os.setpriority(os.PRIO_PROCESS, process.pid, min(own + NICENESS, MOST_NICENESS))
        for each in older:
            self._kill(each)
        return process

    def _ended(self, process: subprocess.Popen[bytes]) -> int | None:
        """Give the status of a process that has ended, once what it took is counted; None before."""
        with self._lock:
            number, status, usage = os.wait4(process.pid, os.WNOHANG)
            if not number:
                return None
            process.returncode = os.waitstatus_to_exitcode(status)
            assert process.stdin is not None
            process.stdin.close()
            self._processes.remove(process)
            self._ended_s += usage.ru_utime + usage.ru_stime
            return process.returncode

    def _kill(self, process: subprocess.Popen[bytes]) -> None:
        with self._lock, suppress(ProcessLookupError):
            if process in self._processes:  # its number is not another's by now
                os.kill(process.pid, signal.SIGKILL)
