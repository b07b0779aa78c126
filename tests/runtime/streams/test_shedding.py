from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeseg.errors import UsageError
from edgeseg.runtime.crf.budget import COMFORT, MEMORY, PATIENCE, Level
from edgeseg.runtime.crf.instances import InstanceRefinement
from edgeseg.runtime.crf.refinement import Refinement
from edgeseg.runtime.streams.shedding import SETTLING, Shedding, Step, steps
from edgeseg.spec import CRFSpec

BUDGET_MS = 100.0
CRF = CRFSpec(height=480, iterations=2)
RETURN = MEMORY + 20 * (PATIENCE + SETTLING + 1)  # frames after which the last step is taken back


def shedding(*, crf: bool = True, slows_down: bool = True) -> Shedding:
    one = Shedding(BUDGET_MS, Refinement(CRF) if crf else None)
    one.may_slow_down, one.draws = slows_down, True
    return one


def spend(one: Shedding, latency_ms: float, frames: int, work_ms: float = 10.0) -> list[Step]:
    """Take frames of that time at whatever step; return the steps that were taken, each once in a row."""
    found = [one.step]
    for _ in range(frames):
        one.add(latency_ms, work_ms)
        if one.step != found[-1]:
            found.append(one.step)
    return found


def test_the_crf_does_less_before_the_overlay_goes_and_the_rate_falls_last():
    least = Level(1, half=True, band=True)
    assert steps(Refinement(CRF), BUDGET_MS) == (
        Step(),
        Step(Level(2, half=True)),
        Step(Level(2, half=True, band=True)),
        Step(least),
        Step(least, overlay=False),
        Step(least, overlay=False, slowdown=2),
        Step(least, overlay=False, slowdown=4),
        Step(least, overlay=False, slowdown=8),
    )


def test_without_a_crf_the_overlay_is_the_first_to_go():
    assert steps(None, BUDGET_MS)[:2] == (Step(), Step(overlay=False))


def test_the_crf_of_instances_gets_less_and_less_time_and_then_none():
    found = steps(InstanceRefinement(), BUDGET_MS)
    assert [one.crf_ms for one in found[:6]] == [math.inf, 50, 25, 12.5, 0, 0]


def test_frames_over_the_budget_shed_one_thing_after_another():
    one = shedding()
    taken = spend(one, 2 * BUDGET_MS, 100)
    assert taken == list(steps(Refinement(CRF), BUDGET_MS))
    assert one.lines() == (
        "CRF with 1 of 2 iterations at half the resolution along boundaries",
        "no overlay",
        "an eighth of the rate",
    )


def test_the_crf_is_told_what_it_may_do():
    refinement, instances = Refinement(CRF), InstanceRefinement()
    Shedding(BUDGET_MS, refinement).add(2 * BUDGET_MS, 0)
    Shedding(BUDGET_MS, instances).add(2 * BUDGET_MS, 0)
    assert (refinement.level, instances.budget_s) == (Level(2, half=True), 0.05)


def test_without_a_budget_nothing_is_shed_and_the_crf_keeps_its_own():
    own = InstanceRefinement(budget_ms=20)
    one = Shedding(None, own)
    assert spend(one, 1e6, 100) == [Step()]
    assert (own.budget_s, one.lines(), one.summary()) == (0.02, (), ())


def test_the_crf_never_gets_more_than_its_own_budget():
    own = InstanceRefinement(budget_ms=20)
    Shedding(BUDGET_MS, own).add(2 * BUDGET_MS, 0)
    assert own.budget_s == 0.02


def test_frames_that_had_begun_before_a_step_do_not_lead_to_the_next():
    one = shedding()
    for _ in range(1 + SETTLING):
        one.add(2 * BUDGET_MS, 0)
    assert one.step == one._steps[1]
    one.add(2 * BUDGET_MS, 0)
    assert one.step == one._steps[2]


def test_a_recording_keeps_its_rate():
    one = shedding(slows_down=False)
    assert spend(one, 2 * BUDGET_MS, 500)[-1] == Step(Level(1, half=True, band=True), overlay=False)


def test_the_rate_stays_where_the_engine_alone_takes_longer_than_the_budget():
    one = shedding(crf=False)
    assert spend(one, 3 * BUDGET_MS, 500, work_ms=2 * BUDGET_MS)[-1] == Step(overlay=False)


def test_a_lower_rate_is_of_what_was_taken_before():
    one = shedding(crf=False)
    for count in range(20):
        one.took(0.25 * count)
    assert one.rests_until_s == -math.inf
    spend(one, 2 * BUDGET_MS, 1 + 2 * (1 + SETTLING) - SETTLING)
    assert one.step.slowdown == 2
    one.took(5.0)
    assert one.rests_until_s == 5.5


def test_what_was_shed_is_counted():
    one = shedding()
    spend(one, 2 * BUDGET_MS, 100)
    assert one.summary() == (
        f"less of the CRF in {100 - 1} of 100 frames",
        f"no overlay in {100 - 1 - 3 * (1 + SETTLING)} of 100 frames",
        f"a lower rate in {100 - 1 - 4 * (1 + SETTLING)} of 100 frames",
    )


def test_no_overlay_is_said_to_be_missing_where_no_sink_draws():
    one = shedding(crf=False)
    one.draws = False
    spend(one, 2 * BUDGET_MS, 1, work_ms=2 * BUDGET_MS)
    assert (one.step.overlay, one.lines(), one.summary()) == (False, (), ())


@given(st.lists(st.floats(0, BUDGET_MS), max_size=300), st.booleans())
def test_nothing_is_shed_while_frames_keep_within_the_budget(latencies_ms: list[float], crf: bool):
    one = shedding(crf=crf)
    for latency_ms in latencies_ms:
        one.add(latency_ms, latency_ms)
        assert one.step == Step()
    assert (one.lines(), one.summary()) == ((), ())


@given(st.lists(st.floats(0, 10 * BUDGET_MS), max_size=300), st.booleans())
def test_everything_comes_back_once_there_is_time(latencies_ms: list[float], crf: bool):
    one = shedding(crf=crf)
    for latency_ms in latencies_ms:
        one.add(latency_ms, latency_ms / 2)
    spend(one, 0.5 * COMFORT * BUDGET_MS, RETURN)
    assert one.step == Step()
    assert one.lines() == ()


@pytest.mark.parametrize("budget_ms", [0.0, -1.0, math.inf, math.nan])
def test_a_budget_of_nothing_is_refused(budget_ms: float):
    with pytest.raises(UsageError, match="must be above 0 ms"):
        Shedding(budget_ms, None)
