from __future__ import annotations

from edgeseg.runtime.streams.room import MOST_AHEAD, Room


def after(finishing_s: float) -> Room:
    """Make the room of a stream whose frames take so long to finish."""
    room = Room()
    room.ahead = 1
    room.begin(0.0)
    room.finish(finishing_s)
    room.idle()
    return room


def test_so_many_frames_may_be_ahead():
    room = Room()
    assert not room.is_full
    room.ahead = MOST_AHEAD
    assert room.is_full


def test_outputs_are_late_that_those_before_them_hold_up():
    room = after(1.0)
    assert not room.is_late(0.0, 0.0)
    room.ahead = 2
    assert room.is_late(0.0, 0.9)
    assert not room.is_late(0.0, 1.1)


def test_the_frame_that_is_being_finished_holds_up_too():
    room = after(1.0)
    room.ahead = 2
    room.begin(10.0)
    assert room.is_late(10.5, 11.9)
    assert not room.is_late(10.5, 12.0)


def test_one_that_takes_longer_than_usual_may_end_at_any_time():
    room = after(1.0)
    room.ahead = 2
    room.begin(10.0)
    assert room.is_late(15.0, 15.9)
    assert not room.is_late(15.0, 16.0)
