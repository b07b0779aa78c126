"""What is known of cameras decides what nodes are ordered to run."""

from __future__ import annotations

from dataclasses import dataclass, field

from edgeseg.cluster.load import Load
from edgeseg.cluster.order import Report
from edgeseg.cluster.roster import GUESS, REFUSED_S, Roster
from edgeseg.runtime.settings import SiteSettings, StreamSettings
from edgeseg.runtime.status import SinkState, SinkStatus, SourceState, SourceStatus, StreamStatus

SITE = SiteSettings(
    "engine",
    (StreamSettings("rtsp://a", "gate", outputs=("gate.jsonl",)), StreamSettings("rtsp://b", "yard")),
)


@dataclass
class Node:
    name: str
    key: str
    report: Report | None = None
    held: set[str] = field(default_factory=set)


def camera(
    name: str, results: int, state: SourceState = SourceState.LIVE, sink: str = "open", error: str = ""
) -> StreamStatus:
    sinks = (SinkStatus("gate.jsonl", SinkState(sink)),)
    return StreamStatus(name, SourceStatus(name, state), results, sinks=sinks, error=error)


def reporting(node: Node, *cameras: StreamStatus, settled: bool = True, **loads: float) -> Node:
    node.report = Report("digest", cameras, Load(2.0, 0.0, loads), settled)
    return node


def test_a_node_begins_a_camera_once_no_other_holds_it() -> None:
    roster, left, right = Roster(), Node("left", "1"), Node("right", "2")
    roster.put({"gate": "left", "yard": "right"})
    assert [one.name for one in roster.order(SITE, "digest", left, ()).settings.streams] == ["gate"]
    roster.move("gate", "right")
    assert [one.name for one in roster.order(SITE, "digest", right, {"gate"}).settings.streams] == ["yard"]
    assert len(roster.order(SITE, "digest", right, ()).settings.streams) == 2
    assert roster.order(SITE, "digest", left, ()).settings.streams == ()


def test_another_node_writes_beside_what_the_lost_one_wrote_and_the_gap_is_told() -> None:
    roster, left, right = Roster(), Node("left", "1"), Node("right", "2")
    roster.put({"gate": "left", "yard": "left"})
    assert roster.read(reporting(left, camera("gate", 3)), 10.0) == []
    assert roster.lose(left) == ["gate", "yard"]
    roster.put({"gate": "right", "yard": "right"})
    assert roster.order(SITE, "digest", right, ()).written == ("gate.jsonl",)
    assert roster.read(reporting(right, camera("gate", 0)), 12.0) == []
    lines = roster.read(reporting(right, camera("gate", 1), camera("yard", 1)), 13.5)
    assert lines == ["gate: runs on right, 3.5 s after the last result before", "yard: runs on right"]
    assert roster.moves == {"gate": 1, "yard": 1}


def test_a_camera_has_ended_when_all_is_written_and_nobody_ended_it() -> None:
    roster, node = Roster(), Node("left", "1")
    roster.put({"gate": "left", "yard": "left"})
    over = camera("gate", 3, SourceState.ENDED)
    roster.read(reporting(node, over), 1.0)
    assert roster.ended == {}
    closed = camera("gate", 3, SourceState.ENDED, "closed")
    roster.read(reporting(node, closed, settled=False), 2.0)
    assert roster.ended == {}
    roster.read(reporting(node, closed), 3.0)
    assert roster.ended == {"gate": ""}
    assert roster.lose(node) == ["yard"]
    assert not roster.all_ended(SITE)
    assert roster.all_ended(SiteSettings("engine", SITE.streams[:1]))


def test_what_is_not_measured_yet_is_taken_for_the_mean_of_the_others() -> None:
    roster, node = Roster(), Node("left", "1")
    assert roster.loads(SITE) == {"gate": GUESS, "yard": GUESS}
    roster.put({"gate": "left"})
    roster.read(reporting(node, gate=2.0), 1.0)
    assert roster.loads(SITE) == {"gate": 2.0, "yard": 2.0}
    roster.read(reporting(node, gate=1.0), 2.0)
    assert 1.0 < roster.loads(SITE)["gate"] < 2.0


def test_a_process_that_is_new_on_the_same_node_writes_beside_what_the_one_before_wrote() -> None:
    roster, before, after = Roster(), Node("left", "1"), Node("left", "2")
    roster.put({"gate": "left"})
    before.held = {"gate"}  # ordered, but nothing was heard of it
    assert roster.order(SITE, "digest", before, ()).written == ()
    roster.lose(before)
    roster.put({"gate": "left"})
    assert roster.order(SITE, "digest", after, ()).written == ("gate.jsonl",)


def test_a_camera_that_a_node_cannot_run_goes_to_another_and_ends_once_all_refuse_it() -> None:
    roster, left, right = Roster(), Node("left", "1"), Node("right", "2")
    nodes = ("left", "right")
    roster.put({"gate": "left", "yard": "left"})
    no_av = camera("gate", 0, SourceState.ENDED, "closed", error="needs av")
    assert roster.read(reporting(left, no_av), 1.0) == ["gate: cannot run on left: needs av"]
    assert (roster.placed, roster.ended) == ({"yard": "left"}, {})
    assert roster.barred(nodes, 1.0, starting=False) == {"gate": {"left"}}
    roster.put({"gate": "right", "yard": "left"})
    assert roster.order(SITE, "digest", right, ()).written == ()  # nothing was written
    right.report = Report("digest", (), Load(2.0), refused={"gate": "PASSWORD is not set"})
    assert roster.read(right, 2.0) == ["gate: cannot run on right: PASSWORD is not set"]
    roster.barred(nodes, 2.0, starting=True)
    assert roster.ended == {}  # a node that starts may run it
    roster.barred(nodes, 2.0, starting=False)
    assert roster.ended == {"gate": "left: needs av; right: PASSWORD is not set"}
    assert "gate" not in roster.loads(SITE)


def test_a_camera_that_all_refused_is_tried_again_after_a_while_or_on_a_new_node() -> None:
    roster, left = Roster(), Node("left", "1")
    refused = Report("digest", (), Load(2.0), refused={"gate": "no such file"})
    for now_s in (1.0, 2.0 + REFUSED_S):
        roster.put({"gate": "left"})
        left.report = refused
        assert len(roster.read(left, now_s)) == (now_s == 1.0)  # it is said once
        roster.barred(("left",), now_s, starting=False)
        assert roster.ended == {"gate": "no such file"}
        roster.barred(("left",), now_s + REFUSED_S + 0.5, starting=False)
        assert roster.ended == {}
    roster.put({"gate": "left"})
    roster.read(left, 200.0)
    roster.barred(("left",), 200.0, starting=False)
    assert roster.barred(("left", "new"), 201.0, starting=False) == {"gate": {"left"}}
    assert roster.ended == {}


def test_a_camera_that_has_ended_does_not_begin_again_on_the_process_that_follows() -> None:
    roster, before, after = Roster(), Node("left", "1"), Node("left", "2")
    roster.put({"gate": "left", "yard": "left"})
    roster.read(reporting(before, camera("gate", 3, SourceState.ENDED, "closed"), camera("yard", 1)), 1.0)
    assert roster.lose(before) == ["yard"]
    roster.put({"yard": "left"})
    assert [one.name for one in roster.order(SITE, "digest", after, ()).settings.streams] == ["yard"]
    assert roster.ended == {"gate": ""}


def test_a_camera_that_fails_after_results_has_ended() -> None:
    roster, left = Roster(), Node("left", "1")
    roster.put({"gate": "left"})
    roster.read(reporting(left, camera("gate", 3, SourceState.ENDED, "closed", error="broken frame")), 1.0)
    assert roster.ended == {"gate": "broken frame"}
