"""Candidates are measured in turn and ranked by their median."""

from __future__ import annotations

import time
from collections.abc import Callable

from edgeseg.export.engines.tuning import MIN_ROUNDS, measure


def test_the_fastest_comes_first_and_all_are_called_in_turn() -> None:
    calls: list[str] = []

    def candidate(name: str, seconds: float) -> tuple[dict[str, str], Callable[[], None]]:
        def infer() -> None:
            calls.append(name)
            time.sleep(seconds)

        return {"name": name}, infer

    ranked = measure([candidate("slow", 0.02), candidate("fast", 0.0)])
    assert [entry.options["name"] for entry in ranked] == ["fast", "slow"]
    assert ranked[1].median_ms >= 20
    assert all(entry.samples >= MIN_ROUNDS for entry in ranked)
    assert calls[:6] == ["slow", "fast"] * 3  # the warm-up, then rounds
