"""An engine takes over only with a proof on every node that is ready, of which there is one at least."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from edgeseg.cluster.placed import Sent
from edgeseg.cluster.replacement import Replacement
from edgeseg.errors import EngineError
from edgeseg.runtime.settings import SiteSettings
from tests.cluster.waiting import DEADLINE_S, until

SITE = SiteSettings("engine", ())
ENGINE = Sent("new", bytes)


@dataclass
class Node:
    """Notes what it is asked to prove."""

    lost: str = ""
    proven: dict[str, str] = field(default_factory=dict)
    asked: list[tuple[Sent, SiteSettings]] = field(default_factory=list)

    def prove(self, engine: Sent, settings: SiteSettings) -> None:
        self.proven.pop(engine.digest, None)
        self.asked.append((engine, settings))


def sent_one(send: Callable[[], Sent] = lambda: ENGINE) -> Replacement:
    """Give one whose engine is sent."""
    replacement = Replacement(SITE, "new", send)
    until(lambda: not replacement.is_sending)
    return replacement


def test_every_node_that_is_ready_proves_it_before_it_takes_over() -> None:
    left, right, late = Node(), Node(), Node()
    replacement = sent_one()
    assert replacement.verdict({"left": left, "right": right}) is None
    left.proven["new"] = ""
    assert replacement.verdict({"left": left, "right": right, "late": late}) is None
    right.proven["new"] = late.proven["new"] = ""
    assert replacement.verdict({"left": left, "right": right, "late": late}) == ()
    assert left.asked == right.asked == late.asked == [(ENGINE, SITE)]


def test_where_no_node_is_ready_it_waits() -> None:
    replacement, node = sent_one(), Node()
    assert replacement.verdict({}) is None
    assert replacement.verdict({"back": node}) is None
    node.proven["new"] = ""
    assert replacement.verdict({"back": node}) == ()


def test_an_engine_whose_proof_no_node_outlives_is_refused() -> None:
    replacement, left, right = sent_one(), Node(), Node()
    replacement.verdict({"left": left, "right": right})
    left.lost = "no answer for 5 s"
    assert replacement.verdict({"right": right}) is None
    right.lost = "its process is gone"
    assert replacement.verdict({}) == (
        "left: was lost during the proof (no answer for 5 s)",
        "right: was lost during the proof (its process is gone)",
    )


def test_one_that_was_proven_before_is_proven_again() -> None:
    node, replacement = Node(proven={"new": ""}), sent_one()
    assert replacement.verdict({"node": node}) is None
    assert node.asked == [(ENGINE, SITE)]


def test_a_node_that_refuses_it_is_named() -> None:
    left, right, replacement = Node(), Node(), sent_one()
    replacement.verdict({"left": left, "right": right})
    left.proven["new"], right.proven["new"] = "", "labels differ"
    assert replacement.verdict({"left": left, "right": right}) == ("right: labels differ",)


def test_it_is_sent_beside_all_else_and_what_goes_wrong_there_refuses_it() -> None:
    sending = threading.Event()

    def slowly() -> Sent:
        assert sending.wait(DEADLINE_S)
        raise EngineError("the engine was changed")

    replacement, node = Replacement(SITE, "new", slowly), Node()
    assert replacement.verdict({"node": node}) is None
    sending.set()
    until(lambda: not replacement.is_sending)
    assert replacement.verdict({"node": node}) == ("the engine was changed",)
    assert node.asked == []

    def full() -> Sent:
        raise OSError(28, "No space left on device")

    (reason,) = sent_one(full).verdict({"node": node}) or ()
    assert "No space left on device" in reason
