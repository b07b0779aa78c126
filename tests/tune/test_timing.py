"""Candidates are timed in turn on the same frames, dropped when they are slower, and gone on with later."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from edgeseg.errors import EngineError
from edgeseg.tune import budget, timing
from edgeseg.tune.budget import Budget
from edgeseg.tune.halving import FINAL_ROUNDS, FIRST_ROUNDS, MOST_ROUNDS
from edgeseg.tune.timing import Opener, Pool, Timed, time_in_rounds
from tests.engines.clock import Clock

FRAMES = [np.full((2, 2, 3), value, np.uint8) for value in range(3)]


class Bench:
    """Engines that take a time of their own, in a time of its own."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.clock = Clock()
        monkeypatch.setattr(timing, "time", self.clock)
        monkeypatch.setattr(budget, "time", self.clock)
        self.open: list[str] = []
        self.opened: Counter[str] = Counter()
        self.seen: dict[str, list[int]] = {}

    def opener(self, name: str, seconds: float) -> Opener:
        @contextmanager
        def opened() -> Iterator[timing.Segment]:
            self.open.append(name)
            self.opened[name] += 1

            def segment(frame: np.ndarray) -> None:
                if math.isnan(seconds):
                    raise EngineError("it is broken")
                self.clock.sleep(seconds)
                self.seen.setdefault(name, []).append(int(frame[0, 0, 0]))

            yield segment
            self.open.remove(name)

        return opened

    def openers(self, **seconds: float) -> dict[str, Opener]:
        return {name: self.opener(name, one) for name, one in seconds.items()}


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(monkeypatch)


def test_the_slower_half_gets_the_first_rounds_alone(bench: Bench) -> None:
    openers = bench.openers(a=0.1, b=0.2, c=0.3, d=0.4)
    found = time_in_rounds(openers, openers.keys(), FRAMES, budget=Budget())
    rounds = {name: sum(name in one for one in found.rounds) for name in openers}
    assert rounds == {"a": 2 * FIRST_ROUNDS, "b": 2 * FIRST_ROUNDS, "c": FIRST_ROUNDS, "d": FIRST_ROUNDS}
    assert (found.alive, found.over, found.failed) == (("a",), True, {})
    assert found.rounds[0] == pytest.approx({"a": 100, "b": 200, "c": 300, "d": 400})
    assert bench.open == []
    assert bench.seen["c"] == bench.seen["d"]


def test_a_plain_candidate_that_was_dropped_is_opened_again_for_a_final(bench: Bench) -> None:
    openers = bench.openers(a=0.1, b=0.11, c=0.12)
    found = time_in_rounds(openers, openers.keys(), FRAMES, plain={"c"}, budget=Budget())
    final = [set(one) for one in found.rounds[-FINAL_ROUNDS[0] :]]
    assert final == [{"a", "c"}] * FINAL_ROUNDS[0]
    assert (found.alive, found.over, bench.opened["c"]) == (("a",), True, 2)


def test_equals_are_timed_to_the_end_and_both_stay(bench: Bench) -> None:
    openers = bench.openers(a=0.1, b=0.1)
    found = time_in_rounds(openers, openers.keys(), FRAMES, budget=Budget())
    assert (len(found.rounds), set(found.alive), found.over) == (MOST_ROUNDS, {"a", "b"}, True)


def test_time_that_is_up_ends_it_with_whole_rounds(bench: Bench) -> None:
    openers = bench.openers(a=1.0, b=1.5)
    found = time_in_rounds(openers, openers.keys(), FRAMES, budget=Budget(12.0))
    assert found.rounds
    assert all(set(one) == {"a", "b"} for one in found.rounds)
    assert not found.over
    assert bench.open == []


def test_rounds_that_were_run_before_are_gone_on_with(bench: Bench) -> None:
    openers = bench.openers(a=0.1, b=0.2, c=0.3)
    told: list[Timed] = []
    whole = time_in_rounds(openers, openers.keys(), FRAMES, budget=Budget(), on_round=told.append)
    for before in told[:-1]:
        again = time_in_rounds(openers, openers.keys(), FRAMES, rounds=before.rounds, budget=Budget())
        assert [set(one) for one in again.rounds] == [set(one) for one in whole.rounds]
        assert again.alive == whole.alive
    bench.seen.clear()
    time_in_rounds(openers, openers.keys(), FRAMES, rounds=told[-1].rounds, budget=Budget())
    assert not bench.seen


def test_an_engine_that_fails_is_told_and_the_others_go_on(bench: Bench) -> None:
    openers = bench.openers(a=0.1, broken=math.nan, c=0.3)
    found = time_in_rounds(openers, openers.keys(), FRAMES, budget=Budget())
    assert found.failed == {"broken": "it is broken"}
    assert found.alive == ("a",)
    assert all("broken" not in one for one in found.rounds)


def test_what_memory_does_not_hold_is_closed_for_the_next(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    each = 100
    monkeypatch.setattr(timing, "available_bytes", lambda: 350 - each * len(bench.open))
    openers = bench.openers(a=0.1, b=0.1, c=0.1, d=0.1)
    with Pool(openers, FRAMES[0]) as pool:
        for name in "abcda":
            pool.opened(name)
            assert len(bench.open) <= 3  # half as much again as one takes must be free for the next
        assert bench.opened == {"a": 2, "b": 1, "c": 1, "d": 1}
    assert bench.open == []


def test_quick_frames_are_repeated_within_a_round(bench: Bench) -> None:
    openers = bench.openers(a=0.02)
    with Pool(openers, FRAMES[0]) as pool:
        segment = pool.opened("a")
        bench.seen.clear()
        assert timing.visit(segment, FRAMES[1]) == pytest.approx(20)
    assert bench.seen["a"] == [1] * (1 + 3)  # once without the clock, then for 50 ms
