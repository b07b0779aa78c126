"""The driver's end of one node: its actor, orders to it one at a time, and whether it still answers."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from edgeseg.cluster.node import Node
from edgeseg.cluster.order import Order, Report
from edgeseg.errors import one_line

TURN_S = 0.5  # between two orders
SILENT_S = 3.5  # without an answer for so long a node is lost; longer than its lease
LONGEST_LOOK_S = 1.0  # between two looks; for more this process itself was held up, and no node is to blame
GONE = "its process is gone"  # or cannot be reached, which is the same to the cluster
THREADS = 4  # of an actor: an order, a proof, and its end do not wait for each other


class Link:
    """One node that runs cameras, seen from the driver, whose thread alone calls.

    Args:
        ray: the library.
        name: to call it by.
        node: its id in the cluster.
        cores: that the cluster says it has.

    Attributes:
        report: the last one, None before.
        lost: why it is given up; empty while it is not.
        prepared: by digest of an engine: why it cannot be used there, empty where it can.
        held: cameras that it may be running.
        made_s: when it was made, by `time.monotonic()`.
    """

    def __init__(self, ray: Any, name: str, node: str, cores: float) -> None:
        self.name = name
        self.node = node
        self.cores = cores
        self.report: Report | None = None
        self.lost = ""
        self.prepared: dict[str, str] = {}
        self.held: set[str] = set()
        self._ray = ray
        near = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(node, soft=False)
        made = ray.remote(Node).options(num_cpus=0, max_concurrency=THREADS, scheduling_strategy=near)
        self._actor = made.remote(cores)
        self._preparing: dict[Any, str] = {}  # digests, by what will answer
        self._turn: Any = None  # what will answer the last order
        self._ordered: Order | None = None
        self._asked_s = 0.0
        self._silent_s = 0.0
        self.made_s = self._looked_s = time.monotonic()

    def prepare(self, digest: str, package: Any, *, proven: bool) -> None:
        """Have the node fetch an engine, and prove it where asked; `prepared` says how it went."""
        if digest not in self.prepared and digest not in self._preparing.values():
            self._preparing[self._actor.prepare.remote(digest, [package], proven=proven)] = digest

    def is_preparing(self, digest: str) -> bool:
        """Whether the answer is not there yet."""
        return digest in self._preparing.values()

    def order(self, order: Order) -> None:
        """Give an order, unless the last one is not answered, or was the same a moment ago."""
        now_s = time.monotonic()
        again = order == self._ordered and now_s - self._asked_s < TURN_S
        if self._turn is not None or again or self.lost:
            return
        self.held |= {stream.name for stream in order.settings.streams}
        self._ordered, self._asked_s, self._silent_s = order, now_s, 0.0
        self._turn = self._actor.turn.remote(order)

    def look(self) -> bool:
        """Take the answers that are there; true where a report is among them."""
        now_s = time.monotonic()
        passed_s, self._looked_s = min(now_s - self._looked_s, LONGEST_LOOK_S), now_s
        for reference in self._answered(list(self._preparing)):
            digest = self._preparing.pop(reference)
            if (answer := self._get(reference)) is not None:
                self.prepared[digest] = answer
        if self._turn is None:
            return False
        self._silent_s += passed_s
        if self._answered([self._turn]):
            reference, self._turn = self._turn, None
            report = self._get(reference)
            if report is not None:
                assert self._ordered is not None
                self.report = report
                running = {camera.name for camera in report.cameras}
                self.held = running | {stream.name for stream in self._ordered.settings.streams}
                return True
        elif self._silent_s > SILENT_S:
            self.lost = f"no answer for {SILENT_S:g} s"
        return False

    def end(self) -> Any:
        """Ask it to finish what was written; gives what will answer."""
        return self._actor.close.remote()

    def kill(self) -> None:
        """End its process."""
        with suppress(Exception):
            self._ray.kill(self._actor, no_restart=True)

    def _answered(self, references: list[Any]) -> list[Any]:
        if not references:
            return []
        done: list[Any] = self._ray.wait(references, num_returns=len(references), timeout=0)[0]
        return done

    def _get(self, reference: Any) -> Any:
        """Give an answer; None if there will be none, which is noted."""
        try:
            return self._ray.get(reference)
        except self._ray.exceptions.RayActorError:
            self.lost = self.lost or GONE
            return None
        except Exception as error:  # Ray's own, or what the actor raised
            cause = getattr(error, "cause", None) or error
            self.lost = self.lost or one_line(str(cause).strip().partition("\n")[0] or type(cause).__name__)
            return None


def living(ray: Any) -> Mapping[str, tuple[str, float]]:
    """Give name and cores of the nodes that have any, by their id."""
    return {
        node["NodeID"]: (node.get("NodeName") or node["NodeManagerAddress"], float(cores))
        for node in ray.nodes()
        if node["Alive"] and (cores := node["Resources"].get("CPU", 0)) > 0
    }
