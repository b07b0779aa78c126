"""What runs in the process of a profile: ncnn's network, asked for the blob of one layer after another.

ncnn calls nobody back, but computes no more than it must for the blob that it is asked for, and keeps what
others will read. Asked for all blobs in their order, it runs one layer a time, those
that it would run anyway.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeseg.engines.apart import serving
from edgeseg.engines.apart.serving import PrintedError, Run
from edgeseg.engines.ncnn.child import INPUT_BLOB, Load, opened, planes

MS_PER_S = 1000.0
AS_IT_IS = 1  # an argument: do not lay the blob out anew for the caller
HEADER_LINES = 2
NOT_TIMED = ("Input", "Split")  # what takes no time


@dataclass(frozen=True)
class Told:
    """The layers that are timed, in their order: names and kinds."""

    names: tuple[str, ...]
    kinds: tuple[str, ...]


def serve() -> None:
    """Answer the parent; ends the process."""
    serving.serve(load)


def load(order: Load) -> tuple[Run, Told]:
    """Load a network; running it gives the milliseconds of each layer, and of all together."""
    net = opened(order)
    lines = [line.split() for line in Path(order.model).read_text().splitlines()[HEADER_LINES:]]
    timed = [words for words in lines if words[0] not in NOT_TIMED]
    tops = [words[4 + int(words[2])] for words in timed]  # kind, name, two counts, bottoms, tops

    def run(image: NDArray[Any]) -> list[NDArray[Any]]:
        given = planes(image[0])
        times_ms = np.zeros(len(tops))
        with net.create_extractor() as extractor:
            started_s = before_s = time.perf_counter()
            extractor.input(INPUT_BLOB, given)
            for index, top in enumerate(tops):
                if extractor.extract(top, AS_IT_IS)[0] != 0:
                    raise PrintedError(f"it cannot compute {timed[index][1]}")
                after_s = time.perf_counter()
                times_ms[index], before_s = MS_PER_S * (after_s - before_s), after_s
        return [times_ms, np.array([MS_PER_S * (before_s - started_s)])]

    return run, Told(tuple(words[1] for words in timed), tuple(words[0] for words in timed))
