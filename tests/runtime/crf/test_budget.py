from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edgeseg.runtime.crf.budget import MEMORY, PATIENCE, Level, TimeBudget, levels

LEVELS = levels(5)


def spend(budget: TimeBudget, cost_ms: dict[Level, float], frames: int) -> list[Level]:
    """Feed a budget with the cost of the levels it chooses."""
    chosen = []
    for _ in range(frames):
        chosen.append(budget.level)
        budget.add(cost_ms[budget.level])
    return chosen


def test_levels_take_away_iterations_then_resolution_then_all_but_a_band():
    assert (
        Level(5),
        Level(4),
        Level(3),
        Level(5, half=True),
        Level(2, half=True),
        Level(2, half=True, band=True),
        Level(1, half=True, band=True),
    ) == LEVELS


def test_few_iterations_leave_few_levels():
    assert levels(1) == (Level(1), Level(1, half=True), Level(1, half=True, band=True))
    assert levels(0) == (Level(0),)


def test_stays_at_full_accuracy_while_there_is_time():
    chosen = spend(TimeBudget(50, LEVELS), dict.fromkeys(LEVELS, 20.0), 100)
    assert set(chosen) == {LEVELS[0]}


@given(st.floats(1, 100))
def test_ends_at_the_dearest_level_that_fits(budget_ms):
    cost = {level: 60.0 - 10 * i for i, level in enumerate(LEVELS)}
    budget = TimeBudget(budget_ms, LEVELS)
    spend(budget, cost, 10)
    best = next((level for level in LEVELS if cost[level] <= budget_ms), LEVELS[-1])
    assert budget.level == best


def test_returns_when_frames_become_cheap_again():
    budget = TimeBudget(25, LEVELS)
    spend(budget, dict.fromkeys(LEVELS, 100.0), 10)
    assert budget.level == LEVELS[-1]
    spend(budget, dict.fromkeys(LEVELS, 5.0), MEMORY + len(LEVELS) * (PATIENCE + 1))
    assert budget.level == LEVELS[0]


def test_a_level_that_was_too_dear_is_not_tried_again_at_once():
    cost = {level: 30.0 if i == 0 else 10.0 for i, level in enumerate(LEVELS)}
    chosen = spend(TimeBudget(25, LEVELS), cost, MEMORY)
    assert chosen.count(LEVELS[0]) == 1
