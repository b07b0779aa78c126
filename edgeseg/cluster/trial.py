"""Open an engine on a node as its cameras would, and run it once, before one of them is there."""

from __future__ import annotations

import math
import time
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

from edgeseg.runtime.engine import Engine
from edgeseg.runtime.profiling.memory import forget_peak, parse_memory
from edgeseg.runtime.settings import SiteSettings
from edgeseg.runtime.site.memory import check_engine


class Trial(NamedTuple):
    """How long an engine took to open, and for its first inference."""

    opened_s: float
    inferred_s: float


def tried(folder: Path, settings: SiteSettings | None, *, but: Collection[int]) -> Trial:
    """Try an engine.

    Args:
        settings: say its device, threads, and the memory that may be taken; None for what it was built for.
        but: numbers of processes whose memory does not count.

    Raises:
        EngineError: if it does not open or run here, or takes more memory than it may.
        MissingExtraError, UsageError: as `Engine.open`.
    """
    device, threads, most = (
        (None, None, None) if settings is None else (settings.device, settings.threads, settings.max_memory)
    )
    began_s = time.monotonic()
    try:
        with Engine.open(folder, device=device, threads=threads) as engine:
            opened_s = time.monotonic()
            check_engine(engine, math.inf if most is None else parse_memory(most), but=but)
            inferred_s = time.monotonic()
    except BaseException:
        forget_peak()  # the engine that computes now did not take it
        raise
    return Trial(opened_s - began_s, inferred_s - opened_s)
