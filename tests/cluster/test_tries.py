"""What fails again and again is tried ever more seldom."""

from __future__ import annotations

from edgeseg.cluster.tries import Tries


def test_each_wait_is_twice_as_long_as_the_one_before() -> None:
    tries = Tries(60.0)
    tried_s = [now_s for now_s in range(600) if tries.again("node", now_s)]
    assert tried_s == [61, 182, 423]
    assert not tries.again("other", 600)


def test_what_went_well_for_long_and_failed_waits_from_then_on() -> None:
    tries = Tries(60.0)
    for failed_s, wait_s in ((1000.0, 60.0), (5000.0, 120.0)):
        tries.failed("node", failed_s)
        assert not tries.again("node", failed_s + wait_s)
        assert tries.again("node", failed_s + wait_s + 1)
