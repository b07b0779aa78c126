"""Keep a site within the memory that it may take: refuse engines that need more, end when more is taken."""

from __future__ import annotations

import re

import numpy as np

from edgeseg.errors import EngineError, UsageError
from edgeseg.runtime.engine import Engine
from edgeseg.runtime.profiling.memory import peak_bytes

OPTION = "max_memory"
BYTES_PER_MB = 1_000_000
_UNITS = {"mb": BYTES_PER_MB, "gb": 1000 * BYTES_PER_MB}
SMALLER = "build it with --precision int8 or fp16, export the network at a smaller size, or allow more"


def parse_memory(text: str) -> int:
    """Read an amount of memory in bytes, such as `400MB` or `1.5GB`, decimal.

    Raises:
        UsageError: if it is none.
    """
    match = re.fullmatch(r"(\d{1,9}(?:\.\d{1,6})?)\s*([A-Za-z]{2})", text.strip())
    unit = None if match is None else _UNITS.get(match[2].lower())
    if match is None or unit is None or not float(match[1]):
        raise UsageError(f"{OPTION} {text!r} must be an amount of memory such as 400MB or 1.5GB")
    return int(float(match[1]) * unit)


def check_engine(engine: Engine, most_bytes: int) -> None:
    """Run an engine once on a black image, and look at what this process and those that compute for it took.

    Raises:
        EngineError: if that was more.
    """
    spec = engine.spec.input
    engine.infer(np.zeros((1, spec.height, spec.width, spec.channels), spec.dtype))
    took = peak_bytes()
    if took > most_bytes:
        raise EngineError(
            f"opening the engine and running it once takes {_mb(took)}, {OPTION} allows {_mb(most_bytes)}: "
            f"{SMALLER}"
        )


def check_taken(most_bytes: int) -> None:
    """Look at what was taken so far. Raises EngineError if that was more."""
    took = peak_bytes()
    if took > most_bytes:
        raise EngineError(
            f"stopped: {_mb(took)} were taken, {OPTION} allows {_mb(most_bytes)}; run fewer streams, or "
            "allow more"
        )


def _mb(size_bytes: int) -> str:
    return f"{size_bytes / BYTES_PER_MB:.0f} MB"
