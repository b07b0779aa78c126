"""Run a program for at most so long, and leave nothing of what it started behind."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO


@dataclass(frozen=True)
class Ended:
    """What became of a program.

    Attributes:
        status: its exit status; None if it was ended at the limit.
        printed: on its standard output.
        errors: on its standard error.
    """

    status: int | None
    printed: str
    errors: str


def run_limited(
    command: Sequence[str],
    limit_s: float,
    *,
    cwd: Path | None = None,
    together: bool = False,
    on_line: Callable[[str], None] = lambda line: None,
) -> Ended:
    """Run a program in a group of processes of its own, all of which are ended at the limit, or by Ctrl-C.

    Args:
        cwd: where it runs.
        together: whether errors stand among what is printed.
        on_line: told each line of its standard output as soon as it is there.

    Raises:
        OSError: if it cannot be started.
    """
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            command,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if together else errors,
            start_new_session=True,
        )
        lines: list[str] = []
        reader = threading.Thread(target=_read, args=(process.stdout, lines, on_line))
        reader.start()
        try:
            status: int | None = process.wait(limit_s)
        except subprocess.TimeoutExpired:
            status = None
        finally:
            _end_group(process)
            reader.join()
        errors.seek(0)
        return Ended(status, "".join(lines), errors.read().decode(errors="replace"))


def _read(pipe: IO[bytes], lines: list[str], on_line: Callable[[str], None]) -> None:
    with pipe:
        for line in pipe:
            lines.append(line.decode(errors="replace"))
            on_line(lines[-1].rstrip("\n"))


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """End what is left of the group, also of a program that ended by itself."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
