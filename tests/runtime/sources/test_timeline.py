from __future__ import annotations

from edgeseg.runtime.sources.timeline import Timeline


def _timeline(*, complete: bool = False) -> Timeline:
    return Timeline(0.01, 4, complete=complete)


def test_frames_are_numbered_as_they_are_shown_whatever_the_order_of_their_packets() -> None:
    timeline = _timeline()
    for stamp in (0, 12, 4, 8):  # as with B-frames
        timeline.announce(stamp, damaged=False)
    assert [timeline.place(stamp, damaged=False) for stamp in (0, 4, 8, 12)] == [0, 1, 2, 3]
    assert timeline.lost == 0


def test_a_packet_without_a_frame_is_lost_only_if_the_decoder_complained() -> None:
    for complains, places, lost in ((False, [0, 1], 0), (True, [0, 2], 1)):
        timeline = _timeline(complete=True)
        for stamp in (0, 4, 8):
            timeline.announce(stamp, damaged=False)
        first = timeline.place(0, damaged=False)
        if complains:
            timeline.complain()
        assert [first, timeline.place(8, damaged=False)] == places
        assert timeline.lost == lost


def test_a_gap_in_time_is_a_loss_only_after_a_complaint_of_a_container_without_an_index() -> None:
    for damaged, complete, place in ((False, False, 2), (True, True, 2), (True, False, 4)):
        timeline = _timeline(complete=complete)
        for stamp in (0, 4, 16):
            timeline.announce(stamp, damaged=damaged and stamp == 4)
        timeline.place(0, damaged=False)
        assert (timeline.place(4, damaged=False) is None) == damaged
        assert timeline.place(16, damaged=False) == place
        assert timeline.lost == damaged + place - 2


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
