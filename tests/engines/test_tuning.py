"""Candidates are measured in turn and ranked by their median."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import pairwise

import pytest

from edgeseg.engines import tuning
from edgeseg.engines.tuning import MIN_ROUNDS, measure, measure_opened, order_of_round
from tests.engines.clock import Clock


def test_the_fastest_comes_first_and_all_are_called_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(tuning, "time", clock)
    calls: list[str] = []

    def candidate(name: str, seconds: float) -> tuple[dict[str, str], Callable[[], None]]:
        def infer() -> None:
            calls.append(name)
            clock.sleep(seconds)

        return {"name": name}, infer

    ranked = measure([candidate("slow", 0.02), candidate("fast", 0.001)])
    assert [entry.options["name"] for entry in ranked] == ["fast", "slow"]
    assert [entry.median_ms for entry in ranked] == pytest.approx([1, 20])
    assert all(entry.samples >= MIN_ROUNDS for entry in ranked)
    rounds = [sorted(calls[start : start + 2]) for start in range(0, len(calls), 2)]
    assert rounds == [["fast", "slow"]] * (1 + ranked[0].samples)  # the warm-up, then rounds


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 8])
def test_each_candidate_runs_after_each_other_equally_often(count: int) -> None:
    orders = [order_of_round(number, count) for number in range(2 * count)]
    assert all(sorted(order) == list(range(count)) for order in orders)
    after = Counter(pair for order in orders for pair in pairwise(order))
    assert len(after) == count * (count - 1)
    assert len(set(after.values())) <= 1


@pytest.mark.parametrize(("free_mib", "together"), [(10_000, True), (900, False), (None, True)])
def test_what_memory_does_not_hold_is_not_opened_at_once(
    monkeypatch: pytest.MonkeyPatch, free_mib: int | None, together: bool
) -> None:
    clock = Clock()
    monkeypatch.setattr(tuning, "time", clock)
    is_open: set[str] = set()
    most_open = []

    @contextmanager
    def opened(name: str, seconds: float) -> Iterator[Callable[[], None]]:
        is_open.add(name)
        most_open.append(len(is_open))
        yield lambda: clock.sleep(seconds)
        is_open.remove(name)

    def available() -> int | None:  # each takes 400 MiB
        return None if free_mib is None else (free_mib - 400 * len(is_open)) << 20

    monkeypatch.setattr(tuning, "available_bytes", available)
    times = {"slow": 0.03, "fast": 0.01, "even": 0.02}
    ranked = measure_opened([({"name": name}, partial(opened, name, s)) for name, s in times.items()])
    assert [entry.options["name"] for entry in ranked] == ["fast", "even", "slow"]
    assert [entry.median_ms for entry in ranked] == pytest.approx([10, 20, 30])
    assert most_open == ([1, 2, 3] if together else [1, 1, 1, 1])
    assert not is_open
