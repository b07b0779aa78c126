"""Pick the fastest of a few engine options by measuring them side by side on this machine."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from typing import Any

from edgeseg.machine import available_bytes

MIN_ROUNDS = 3
MAX_ROUNDS = 15
SETTLE_S = 0.03  # before each call: ONNX Runtime's threads spin on, and would take the next one's cores
BUDGET_S = 8.0  # for all candidates together; a slow network gets MIN_ROUNDS all the same
SPARE = 1.5  # of the memory that the largest candidate took, which the next one must find

Call = Callable[[], object]
"""Runs inferences."""


@dataclass(frozen=True)
class Measured:
    """One candidate's options and its median time per inference.

    Attributes:
        recalled: it was measured by a build before this one, on this machine.
    """

    options: Mapping[str, Any]
    median_ms: float
    samples: int
    recalled: bool = False


def measure(
    candidates: Sequence[tuple[Mapping[str, Any], Call]],
    *,
    inferences: int = 1,
) -> list[Measured]:
    """Time candidates in turn, so that a drift of the machine's speed hits all alike; see `order_of_round`.

    Args:
        candidates: options, and a call that runs inferences with them; each is warmed up once.
        inferences: how many a call runs; its time is divided by them.

    Returns:
        One entry a candidate, the fastest first.
    """
    for _, infer in candidates:
        infer()
    samples: list[list[float]] = [[] for _ in candidates]
    deadline = time.monotonic() + BUDGET_S
    while len(samples[0]) < MIN_ROUNDS or (len(samples[0]) < MAX_ROUNDS and time.monotonic() < deadline):
        for index in order_of_round(len(samples[0]), len(candidates)):
            time.sleep(SETTLE_S)
            start = time.perf_counter()
            candidates[index][1]()
            samples[index].append(1000 * (time.perf_counter() - start) / inferences)
    measured = [
        Measured(options, statistics.median(times), len(times))
        for (options, _), times in zip(candidates, samples, strict=True)
    ]
    return sorted(measured, key=lambda entry: entry.median_ms)


def measure_opened(
    candidates: Sequence[tuple[Mapping[str, Any], Callable[[], AbstractContextManager[Call]]]],
    *,
    inferences: int = 1,
) -> list[Measured]:
    """Open candidates, and time them as `measure` does; one after another where memory would not hold all.

    Args:
        candidates: options, and what opens a call that runs inferences with them.
        inferences: as `measure`.
    """
    with ExitStack() as opened:
        calls: list[tuple[Mapping[str, Any], Call]] = []
        largest = 0
        for options, opener in candidates:
            before = available_bytes()
            if before is not None and before < SPARE * largest:
                break
            call = opened.enter_context(opener())
            call()  # takes the memory that all later ones take
            after = available_bytes()
            if before is not None and after is not None:
                largest = max(largest, before - after)
            calls.append((options, call))
        else:
            return measure(calls, inferences=inferences)
    measured = []
    for options, opener in candidates:
        with opener() as call:
            measured += measure([(options, call)], inferences=inferences)
    return sorted(measured, key=lambda entry: entry.median_ms)


def order_of_round(number: int, count: int) -> list[int]:
    """Order `count` candidates so that over the rounds each runs after each other one equally often.

    What ran before leaves its traces: caches, and threads that still spin. The rows of a Williams square
    balance them; of an odd count, together with the rows reversed.
    """
    zigzag = [(step + 1) // 2 if step % 2 else -step // 2 for step in range(count)]  # 0, 1, -1, 2, -2 ..
    row = [(index + number // 2) % count for index in zigzag]
    return row[::-1] if number % 2 else row
