from __future__ import annotations

import numpy as np

from edgeseg.runtime.frame import Frame
from edgeseg.runtime.status import DropCause, SourceState
from edgeseg.runtime.streams.history import MOST_NOTES, History


def frame(index: int = 0, size_hw: tuple[int, int] = (4, 6), media_s: float | None = None) -> Frame:
    return Frame(np.zeros((*size_hw, 3), np.uint8), index, 0.0, media_s=media_s)


def test_a_state_begins_when_it_is_entered_and_lasts_while_its_detail_changes() -> None:
    history = History("yard", 1.0)
    history.enter(SourceState.WAITING, 2.0, "no route", 2.5)
    history.enter(SourceState.WAITING, 3.0, "refused", 4.0)
    history.enter(SourceState.WAITING, 3.5, "refused", 4.0)
    status = history.status(9.0)
    assert (status.state, status.since_s, status.next_attempt_s) == (SourceState.WAITING, 2.0, 4.0)
    assert [change.detail for change in history.changes] == ["no route", "refused"]


def test_an_outage_lasts_from_the_last_frame_before_to_the_first_after() -> None:
    history = History("yard", 0.0)
    history.go_down()  # it was never up
    history.come(frame(), 10.0, goes_on=False)
    history.go_down()
    history.go_down()  # the next attempt failed, too
    assert (history.status(13.0).outages, history.status(13.0).longest_outage_s) == (1, 3.0)
    history.come(frame(), 17.0, goes_on=False)
    status = history.status(99.0)
    assert (status.outages, status.recoveries, status.longest_outage_s) == (1, 1, 7.0)


def test_counts_are_kept_by_cause() -> None:
    history = History("yard", 0.0)
    history.offer(5)
    history.drop(DropCause.BUSY, 2)
    history.drop(DropCause.DAMAGED, 0)
    history.drop(DropCause.BUSY)
    status = history.status(0.0, waiting=1)
    assert (status.offered, status.waiting, status.drops) == (5, 1, {DropCause.BUSY: 3})


def test_another_size_is_noted_in_one_line() -> None:
    history = History("yard", 0.0)
    for index, size_hw in enumerate([(4, 6), (4, 6), (8, 6), (4, 6)]):
        history.come(frame(index, size_hw), float(index), goes_on=True)
    status = history.status(0.0)
    assert status.frame_hw == (4, 6)
    assert status.notes == ("the frames of yard changed their size 2 times, last from 6x8 to 6x4 at frame 3",)


def test_a_clock_that_jumps_is_noted() -> None:
    history = History("yard", 0.0)
    for index, (media_s, now_s) in enumerate(
        [(5.0, 0.0), (5.1, 0.1), (3605.2, 0.2), (3605.3, 0.3), (1.0, 0.4)]
    ):
        history.come(frame(index, media_s=media_s), now_s, goes_on=True)
    assert history.status(0.0).notes == ("the clock of yard jumped 2 times, last by -3604.30 s at frame 4",)


def test_a_pause_or_another_connection_is_no_jump() -> None:
    history = History("yard", 0.0)
    history.come(frame(0, media_s=5.0), 0.0, goes_on=False)
    history.come(frame(1, media_s=65.0), 60.0, goes_on=True)
    history.come(frame(2, media_s=0.0), 61.0, goes_on=False)
    history.come(frame(3, media_s=None), 62.0, goes_on=True)
    history.come(frame(4, media_s=0.1), 63.0, goes_on=True)
    assert history.status(0.0).notes == ()


def test_notes_of_sources_are_bounded_and_told_once() -> None:
    history = History("yard", 0.0)
    for _ in range(2):
        history.note([f"note {number}" for number in range(100)])
    assert history.status(0.0).notes == tuple(f"note {number}" for number in range(MOST_NOTES))
