"""Nodes are looked for, and links made, beside orders, which do not wait for the cluster's head."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

import pytest

pytest.importorskip("ray")

from edgeseg.cluster.discovery import Discovery
from edgeseg.cluster.link import GONE, why_gone
from tests.cluster.waiting import DEADLINE_S, until


class Made:
    """A link, as far as who makes it knows it."""

    def __init__(self, name: str, node: str, cores: float) -> None:
        self.name, self.node, self.cores = name, node, cores
        self.killed = False

    def kill(self) -> None:
        self.killed = True


def test_a_head_that_hangs_holds_up_nobody_who_asks_for_nodes() -> None:
    hung, asked = threading.Event(), threading.Event()

    def living() -> Mapping[str, tuple[str, float]]:
        asked.set()
        assert hung.wait(DEADLINE_S)
        return {"id": ("left", 2.0)}

    make: Any = Made
    discovery = Discovery(living, make)
    until(asked.is_set)
    assert discovery.nodes == {}
    discovery.make("left", "id", 2.0)
    assert (discovery.made(), dict(discovery.awaited)) == ([], {"id": "left"})
    hung.set()
    until(lambda: discovery.nodes)
    found: list[Any] = []
    while not found:
        found += discovery.made()
    assert [(one.name, one.node, one.cores) for one in found] == [("left", "id", 2.0)]
    assert dict(discovery.awaited) == {}
    discovery.end(found[0])
    until(lambda: found[0].killed)
    discovery.close()


def test_a_link_that_cannot_be_made_is_made_again() -> None:
    tries: list[str] = []

    def link(name: str, node: str, cores: float) -> Any:
        tries.append(node)
        if len(tries) == 1:
            raise OSError("the head is gone")
        return Made(name, node, cores)

    discovery = Discovery(lambda: {"id": ("left", 2.0)}, link)
    discovery.make("left", "id", 2.0)
    until(lambda: (discovery.made(), not discovery.awaited)[1])
    discovery.make("left", "id", 2.0)
    until(discovery.made)
    discovery.close()
    assert tries == ["id", "id"]


def test_why_there_is_no_process_is_said_in_a_line() -> None:
    cause = "The actor died because of an error raised in its creation task, ray::Node\n  File ...\n"
    said = f"{cause}ModuleNotFoundError: No module named 'edgeseg'"
    assert why_gone(said) == "its process does not start: ModuleNotFoundError: No module named 'edgeseg'"
    assert why_gone("The actor is dead because its worker process has died. ...") == GONE
    assert why_gone("The actor is dead because its node has died.") == "its node is gone"
