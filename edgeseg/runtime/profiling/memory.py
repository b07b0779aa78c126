"""Read how much memory this process has held, and the processes that compute for it."""

from __future__ import annotations

import re
import resource
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

RSS_UNIT_BYTES = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss
KIB = 1024
PROCESSES = Path("/proc")  # Linux's
_PEAK = re.compile(r"^VmHWM:\s*(\d+) kB$", re.MULTILINE)


def peak_bytes() -> int:
    """Give the most that this process has held so far, and with it each of its children that still run.

    A backend may compute in a process of its own, as MNN's does. Children are known on Linux alone.
    """
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * RSS_UNIT_BYTES
    return own + sum(_children_peaks())


def _children_peaks() -> Iterator[int]:
    for listing in PROCESSES.glob("self/task/*/children"):
        with suppress(OSError):  # a thread or a child may end meanwhile
            for child in listing.read_text().split():
                if (match := _PEAK.search((PROCESSES / child / "status").read_text())) is not None:
                    yield int(match[1]) * KIB
