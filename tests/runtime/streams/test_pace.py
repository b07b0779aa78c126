from __future__ import annotations

from edgeseg.runtime.status import DropCause
from edgeseg.runtime.streams.pace import Pace


def test_frames_long_before_the_caller_is_back_are_not_wanted() -> None:
    pace = Pace()
    pace.wait(0.0)
    pace.give(0.0)
    pace.wait(1.0)  # away for 1 s
    assert [pace.wants(now_s) for now_s in (1.0, 1.1)] == [True, True]  # it waits
    pace.give(1.1)  # and is expected at 2.1
    wanted = [pace.wants(1.1 + i / 10) for i in range(1, 11)]
    assert wanted == [False] * 7 + [True] * 3  # 1.9, 2.0, 2.1: two intervals before it and on


def test_how_long_the_first_frame_takes_is_not_known() -> None:
    pace = Pace()
    pace.wait(0.0)
    pace.give(0.0)
    assert all(pace.wants(i / 10) for i in range(10))


def test_a_caller_that_says_when_it_comes_says_why() -> None:
    pace = Pace()
    pace.expect(5.0, DropCause.SHED)
    assert not pace.wants(1.0)
    assert pace.cause(1.0) is DropCause.SHED
    assert pace.wants(4.0)  # at most two intervals, of 3 s, before it
    assert pace.cause(5.0) is DropCause.BUSY
    pace.expect(None, DropCause.BUSY)
    assert pace.wants(4.1)
