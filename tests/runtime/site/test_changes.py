from __future__ import annotations

from edgeseg.runtime.site.changes import Changes
from edgeseg.runtime.status import SourceState, SourceStatus, StreamStatus

CONNECTING, LIVE, STALLED, WAITING, ENDED = SourceState


def said(changes: Changes, state: SourceState, detail: str = "") -> list[str]:
    return changes.lines([StreamStatus("gate", SourceStatus("rtsp://gate", state, detail))])


def test_a_camera_that_is_up_and_a_recording_that_ends_say_nothing() -> None:
    changes = Changes()
    assert [said(changes, state) for state in (CONNECTING, LIVE, LIVE, ENDED)] == [[], [], [], []]


def test_each_outage_is_said_once_however_often_the_camera_is_tried() -> None:
    changes = Changes()
    assert said(changes, CONNECTING) == []
    assert said(changes, WAITING, "connection refused") == ["gate: waiting: connection refused"]
    for _ in range(3):
        assert said(changes, CONNECTING) == said(changes, WAITING, "timed out") == []
    assert said(changes, CONNECTING) == []
    assert said(changes, LIVE) == ["gate: live again"]
    assert said(changes, STALLED, "the same picture for 30 s") == ["gate: stalled: the same picture for 30 s"]
    assert said(changes, WAITING) == ["gate: waiting"]
    assert said(changes, LIVE) == ["gate: live again"]


def test_a_stream_that_was_taken_away_begins_anew() -> None:
    changes = Changes()
    said(changes, WAITING)
    assert changes.lines([]) == []
    assert said(changes, LIVE) == []


def test_a_stream_that_fails_while_others_go_on_is_said_once() -> None:
    changes = Changes()
    failed = StreamStatus(
        "gate", SourceStatus("rtsp://gate", ENDED), error="rtsp://gate refuses the password"
    )
    other = StreamStatus("yard", SourceStatus("rtsp://yard", LIVE))
    assert changes.lines([failed, other]) == ["gate: ended: rtsp://gate refuses the password"]
    assert changes.lines([failed, other]) == []
    assert Changes().lines([failed]) == []
