"""Keep a site within the memory that it may take: refuse engines that need more, end when more is taken."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from edgeseg.errors import EngineError
from edgeseg.runtime.engine import Engine
from edgeseg.runtime.profiling.memory import OPTION, SMALLER, in_mb, peak_bytes


def check_engine(engine: Engine, most_bytes: float, *, but: Collection[int] = ()) -> None:
    """Run an engine once on a black image, and look at what this process and those that compute for it took.

    Args:
        but: numbers of processes that compute something else.

    Raises:
        EngineError: if that was more.
    """
    spec = engine.spec.input
    engine.infer(np.zeros((1, spec.height, spec.width, spec.channels), spec.dtype))
    took = peak_bytes(but=but)
    if took > most_bytes:
        raise EngineError(
            f"opening the engine and running it once takes {in_mb(took)}, {OPTION} allows "
            f"{in_mb(most_bytes)}: {SMALLER}"
        )


def check_taken(most_bytes: float, *, but: Collection[int] = ()) -> None:
    """Look at what was taken so far, as `check_engine`. Raises EngineError if that was more."""
    took = peak_bytes(but=but)
    if took > most_bytes:
        raise EngineError(
            f"stopped: {in_mb(took)} were taken, {OPTION} allows {in_mb(most_bytes)}; run fewer streams, or "
            "allow more"
        )
