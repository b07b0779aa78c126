from __future__ import annotations

from typing import Any

import pytest

from edgeseg.runtime.sources.timeline import Gaps, Timeline


def _timeline(**options: Any) -> Timeline:
    return Timeline(0.01, 4, **options)


def test_frames_are_numbered_as_they_are_shown_whatever_the_order_of_their_packets() -> None:
    timeline = _timeline()
    for stamp in (0, 12, 4, 8):  # as with B-frames
        timeline.announce(stamp, damaged=False)
    assert [timeline.place(stamp, damaged=False) for stamp in (0, 4, 8, 12)] == [0, 1, 2, 3]
    assert timeline.lost == 0


@pytest.mark.parametrize(
    ("each_shown", "complains", "places", "lost"),
    [(False, False, [0, 1], 0), (False, True, [0, 2], 1), (True, False, [0, 2], 1)],
)
def test_a_packet_without_a_frame_is_lost_if_it_is_to_give_one_or_the_decoder_complained(
    each_shown: bool, complains: bool, places: list[int], lost: int
) -> None:
    timeline = _timeline(gaps=Gaps.NEVER, each_shown=each_shown)
    for stamp in (0, 4, 8):
        timeline.announce(stamp, damaged=False)
    first = timeline.place(0, damaged=False)
    if complains:
        timeline.complain()
    assert [first, timeline.place(8, damaged=False)] == places
    assert timeline.lost == lost
    assert timeline.first_lost == ((1, 4) if lost else None)


def test_the_packets_of_two_fields_are_no_loss() -> None:
    timeline = _timeline(gaps=Gaps.NEVER, each_shown=True)
    for stamp in (0, 2, 4, 6):
        timeline.announce(stamp, damaged=False)
    assert [timeline.place(stamp, damaged=False, interlaced=True) for stamp in (0, 4)] == [0, 1]
    timeline.end(interlaced=True)
    assert timeline.lost == 0


@pytest.mark.parametrize(
    ("gaps", "trouble", "place"),
    [
        (Gaps.TROUBLE, "", 2),
        (Gaps.TROUBLE, "complain", 4),
        (Gaps.TROUBLE, "interrupt", 4),
        (Gaps.BREAK, "complain", 2),
        (Gaps.BREAK, "interrupt", 4),
        (Gaps.NEVER, "interrupt", 2),
    ],
)
def test_a_gap_in_time_is_a_loss_beside_what_tells_of_missing_packets(
    gaps: Gaps, trouble: str, place: int
) -> None:
    timeline = _timeline(gaps=gaps)
    for stamp in (0, 4):
        timeline.announce(stamp, damaged=False)
    if trouble:
        getattr(timeline, trouble)()
    timeline.announce(16, damaged=False)
    assert [timeline.place(stamp, damaged=False) for stamp in (0, 4, 16)] == [0, 1, place]
    assert timeline.lost == place - 2


def test_so_it_is_where_the_bytes_show_it_and_frames_out_of_order_are_counted_once() -> None:
    asked = []

    def is_broken(earlier: int, later: int) -> bool:
        asked.append((earlier, later))
        return later < 30

    timeline = _timeline(each_shown=True, is_broken=is_broken)
    for stamp in (0, 4, 20, 12, 24, 40, 44):
        timeline.announce(stamp, damaged=False)
    places = [timeline.place(stamp, damaged=False) for stamp in (0, 4, 20, 12, 24, 40, 44)]
    assert places == [0, 1, 5, None, 6, 7, 8]
    assert asked == [(4, 20), (24, 40)]
    assert timeline.lost == 3
    assert timeline.first_lost == (2, 8)


def test_times_that_only_count_packets_are_given_in_turn() -> None:
    timeline = _timeline(gaps=Gaps.NEVER, each_shown=True, own_times=False)
    places = []
    for stamp in range(6):
        timeline.announce(stamp, damaged=False)
        if stamp == 2:
            timeline.complain()
        if stamp >= 3:
            places.append((timeline.time_of(99), timeline.place(timeline.time_of(99), damaged=False)))
    assert places == [(0, 0), (1, 1), (3, 3)]
    assert timeline.lost == 1


def test_what_a_recording_states_beyond_its_last_packet_is_lost() -> None:
    timeline = _timeline(gaps=Gaps.NEVER, each_shown=True)
    timeline.announce(0, damaged=False)
    timeline.place(0, damaged=False)
    timeline.end(stated_end=40)
    assert (timeline.lost, timeline.first_lost) == (9, (1, 4))


def test_what_never_comes_out_is_counted_at_the_end() -> None:
    timeline = _timeline()
    for stamp in (0, 4, 8):
        timeline.announce(stamp, damaged=False)
    timeline.place(0, damaged=False)
    timeline.complain()
    timeline.end()
    assert timeline.lost == 1


def test_time_goes_on_where_another_recording_begins() -> None:
    timeline = _timeline()
    assert [timeline.shift(dts) for dts in (0, 100, 104, 0, 4, 4)] == [0, 0, 0, 108, 108, 108]


def test_a_keyframe_before_what_was_decoded_before_it_begins_another_recording() -> None:
    timeline = _timeline(gaps=Gaps.NEVER, each_shown=True)
    stamps = []
    for dts, pts, is_keyframe in ((0, 4, True), (4, 12, False), (8, 8, False), (9, 9, True), (13, 13, False)):
        stamps.append(pts + timeline.shift(dts, pts, is_keyframe=is_keyframe))
        timeline.announce(stamps[-1], damaged=False)
    assert stamps == [4, 12, 8, 16, 20]
