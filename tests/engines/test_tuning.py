"""Candidates are measured in turn and ranked by their median."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from edgeseg.engines import tuning
from edgeseg.engines.tuning import MIN_ROUNDS, measure
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
    assert calls[:6] == ["slow", "fast"] * 3  # the warm-up, then rounds
