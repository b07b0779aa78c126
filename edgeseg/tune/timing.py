"""Time frames of many engines in turn, until no further round would tell which is the fastest."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from numpy.typing import NDArray

from edgeseg.engines.tuning import SETTLE_S, SPARE, order_of_round
from edgeseg.errors import EngineError
from edgeseg.machine import available_bytes
from edgeseg.tune.budget import Budget, TimeIsUpError
from edgeseg.tune.halving import Round, standing

VISIT_S = 0.05  # that a candidate computes in a round, at the least
MOST_OF_VISIT = 15  # frames
MS_PER_S = 1000

Segment = Callable[[NDArray[Any]], object]
"""Computes the result of a frame (H, W, C)."""

Opener = Callable[[], AbstractContextManager[Segment]]


@dataclass(frozen=True)
class Timed:
    """What was timed of candidates.

    Attributes:
        rounds: in order; see `halving`.
        failed: why candidates could not be timed, by name.
        alive: those that could be kept, best first; the others were dropped.
        over: whether no further round would tell more: false where time was up before.
        deciding: those of the rounds that put `alive` into its order.
    """

    rounds: Sequence[Round]
    failed: Mapping[str, str]
    alive: Sequence[str]
    over: bool
    deciding: Sequence[Round]


def time_in_rounds(
    openers: Mapping[str, Opener],
    accurate: Collection[str],
    frames: Sequence[NDArray[Any]],
    *,
    plain: Collection[str] = (),
    rounds: Sequence[Round] = (),
    budget: Budget,
    on_round: Callable[[Timed], None] = lambda timed: None,
) -> Timed:
    """Time candidates in turn, frame to result, and drop those that cannot be the fastest; see `halving`.

    In a round each computes one frame, which is the same for all, in the order of `order_of_round`: first
    once without a clock, as what ran before left the caches, then again and again for VISIT_S; the median
    counts. Where memory would not hold all, they are opened one after another in each round.

    Args:
        openers: of each candidate.
        accurate: the candidates that may win.
        frames: taken in turn, (H, W, C) each.
        plain: the candidates that a user gets without a tuning.
        rounds: that were run before.
        on_round: told after each round of all that is known by then.
    """
    done: list[Round] = [dict(one) for one in rounds]
    failed: dict[str, str] = {}
    names = list(openers)
    now = standing(done, names, accurate, plain)
    with Pool(openers, frames[0]) as pool, suppress(TimeIsUpError):
        while not now.over:
            pool.keep(now.alive)
            order = [now.alive[place] for place in order_of_round(len(done), len(now.alive))]
            found, broken = _round(pool, order, frames[len(done) % len(frames)], budget)
            failed |= broken
            names = [name for name in names if name not in failed]
            done = [{name: ms for name, ms in one.items() if name not in failed} for one in (*done, found)]
            now = standing(done, names, accurate, plain)
            on_round(Timed(done, failed, now.alive, now.over, now.deciding))
    return Timed(done, failed, now.alive, now.over, now.deciding)


def _round(
    pool: Pool, order: Sequence[str], frame: NDArray[Any], budget: Budget
) -> tuple[dict[str, float], dict[str, str]]:
    """Time candidates once: milliseconds, and why others failed. Raises TimeIsUpError in the middle."""
    took_ms: dict[str, float] = {}
    failed: dict[str, str] = {}
    for name in order:
        budget.check()
        try:
            took_ms[name] = visit(pool.opened(name), frame)
        except EngineError as error:
            failed[name] = str(error)
            pool.close(name)
    return took_ms, failed


def visit(segment: Segment, frame: NDArray[Any]) -> float:
    """Compute a frame a few times in a row; gives the median, in milliseconds."""
    time.sleep(SETTLE_S)
    segment(frame)
    took_s: list[float] = []
    while len(took_s) < MOST_OF_VISIT and sum(took_s) < VISIT_S:
        start = time.perf_counter()
        segment(frame)
        took_s.append(time.perf_counter() - start)
    return MS_PER_S * statistics.median(took_s)


class Pool:
    """Candidates that are open: all, or as many as memory holds; a context manager.

    Args:
        frame: (H, W, C), which each computes when it is opened: that takes the memory of all later ones.
    """

    def __init__(self, openers: Mapping[str, Opener], frame: NDArray[Any]) -> None:
        self._openers = openers
        self._frame = frame
        self._open: dict[str, tuple[ExitStack, Segment]] = {}
        self._largest = 0  # bytes that one took

    def opened(self, name: str) -> Segment:
        """Give a candidate, opened before or now; those that were used longest ago may be closed for it.

        Raises:
            EngineError: if it cannot be opened.
        """
        if name in self._open:
            stack, segment = self._open.pop(name)
        else:
            while self._open and not _fits(self._largest):
                self.close(next(iter(self._open)))
            before = available_bytes()
            stack = ExitStack()
            try:
                segment = stack.enter_context(self._openers[name]())
                segment(self._frame)
            except BaseException:
                stack.close()
                raise
            after = available_bytes()
            if before is not None and after is not None:
                self._largest = max(self._largest, before - after)
        self._open[name] = stack, segment
        return segment

    def keep(self, names: Collection[str]) -> None:
        """Close all others."""
        for name in [name for name in self._open if name not in names]:
            self.close(name)

    def close(self, name: str) -> None:
        """Close a candidate, if it is open."""
        if name in self._open:
            self._open.pop(name)[0].close()

    def __enter__(self) -> Pool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.keep(())


def _fits(largest: int) -> bool:
    free = available_bytes()
    return free is None or free >= SPARE * largest
