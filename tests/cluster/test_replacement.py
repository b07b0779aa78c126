"""An engine takes over only with a proof on every node that is ready, of which there is one at least."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from edgeseg.cluster.replacement import Replacement
from edgeseg.errors import EngineError
from edgeseg.runtime.settings import SiteSettings

SITE = SiteSettings("engine", ())
DEADLINE_S = 10.0


@dataclass
class Node:
    """Notes what it is asked to prove."""

    lost: str = ""
    proven: dict[str, str] = field(default_factory=dict)
    asked: list[Any] = field(default_factory=list)

    def prove(self, digest: str, package: Any, settings: SiteSettings) -> None:
        self.proven.pop(digest, None)
        self.asked.append((digest, package, settings))


def packed_one(pack: Callable[[], Any] = lambda: "package") -> Replacement:
    """Give one whose engine is packed."""
    replacement = Replacement(SITE, "new", pack)
    deadline_s = time.monotonic() + DEADLINE_S
    while replacement.is_packing:
        assert time.monotonic() < deadline_s
        time.sleep(0.001)
    return replacement


def test_every_node_that_is_ready_proves_it_before_it_takes_over() -> None:
    left, right, late = Node(), Node(), Node()
    replacement = packed_one()
    assert replacement.verdict({"left": left, "right": right}) is None
    left.proven["new"] = ""
    assert replacement.verdict({"left": left, "right": right, "late": late}) is None
    right.proven["new"] = late.proven["new"] = ""
    assert replacement.verdict({"left": left, "right": right, "late": late}) == ()
    assert left.asked == right.asked == late.asked == [("new", "package", SITE)]


def test_where_no_node_is_ready_it_waits() -> None:
    replacement, node = packed_one(), Node()
    assert replacement.verdict({}) is None
    assert replacement.verdict({"back": node}) is None
    node.proven["new"] = ""
    assert replacement.verdict({"back": node}) == ()


def test_an_engine_whose_proof_no_node_outlives_is_refused() -> None:
    replacement, left, right = packed_one(), Node(), Node()
    replacement.verdict({"left": left, "right": right})
    left.lost = "no answer for 5 s"
    assert replacement.verdict({"right": right}) is None
    right.lost = "its process is gone"
    assert replacement.verdict({}) == (
        "left: was lost during the proof (no answer for 5 s)",
        "right: was lost during the proof (its process is gone)",
    )


def test_one_that_was_proven_before_is_proven_again() -> None:
    node, replacement = Node(proven={"new": ""}), packed_one()
    assert replacement.verdict({"node": node}) is None
    assert node.asked == [("new", "package", SITE)]


def test_a_node_that_refuses_it_is_named() -> None:
    left, right, replacement = Node(), Node(), packed_one()
    replacement.verdict({"left": left, "right": right})
    left.proven["new"], right.proven["new"] = "", "labels differ"
    assert replacement.verdict({"left": left, "right": right}) == ("right: labels differ",)


def test_it_is_packed_beside_all_else_and_what_goes_wrong_there_refuses_it() -> None:
    packing = threading.Event()

    def slowly() -> str:
        assert packing.wait(DEADLINE_S)
        raise EngineError("the engine was changed")

    replacement, node = Replacement(SITE, "new", slowly), Node()
    assert replacement.verdict({"node": node}) is None
    packing.set()
    while replacement.is_packing:
        time.sleep(0.001)
    assert replacement.verdict({"node": node}) == ("the engine was changed",)
    assert node.asked == []

    def full() -> str:
        raise OSError(28, "No space left on device")

    (reason,) = packed_one(full).verdict({"node": node}) or ()
    assert "No space left on device" in reason
