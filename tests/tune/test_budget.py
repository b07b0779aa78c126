"""A time runs from now, and what it is over for is told."""

from __future__ import annotations

import pytest

from edgeseg.tune import budget
from edgeseg.tune.budget import Budget, TimeIsUpError
from tests.engines.clock import Clock


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(budget, "time", clock)
    return clock


def test_a_share_is_of_what_is_left(clock: Clock) -> None:
    whole = Budget(100.0)
    clock.sleep(20)
    part = whole.share(0.5)
    clock.sleep(39)
    part.check()
    clock.sleep(2)
    with pytest.raises(TimeIsUpError, match="40 s that were given are over"):
        part.check()
    whole.check()
    assert (whole.used_s, whole.left_s) == (61, 39)


def test_without_a_limit_it_is_never_over(clock: Clock) -> None:
    endless = Budget()
    clock.sleep(1e9)
    endless.share(0.5).check()
    assert str(endless) == "unlimited time"
    assert str(Budget(90.0)) == "1.5 min"
