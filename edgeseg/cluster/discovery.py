"""Look for the nodes of a cluster, and make and end links to them, in a thread of its own."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any

from edgeseg.cluster.link import Link

DISCOVER_S = 2.0  # between two looks for nodes that are new
CLOSE_S = 1.0  # for the thread to end; it may wait for a head that does not answer


class Discovery:
    """What asks the cluster's head, which may not answer; orders go to the nodes directly, and do not wait.

    One thread calls it, and another works.

    Args:
        living: gives name and cores of the nodes that have any, by their id; may take long.
        link: makes a link to a node, of its name to be shown, id and cores; may take long.

    Attributes:
        nodes: as `living` last gave them.
    """

    def __init__(
        self,
        living: Callable[[], Mapping[str, tuple[str, float]]],
        link: Callable[[str, str, float], Link],
    ) -> None:
        self.nodes: Mapping[str, tuple[str, float]] = {}
        self._living = living
        self._link = link
        self._awaited: dict[str, str] = {}  # shown names by ids of nodes
        self._jobs: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._made: queue.SimpleQueue[tuple[str, Link | None]] = queue.SimpleQueue()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="edgeseg-discovery", daemon=True)
        self._thread.start()

    @property
    def awaited(self) -> Mapping[str, str]:
        """The nodes to which links are being made: their names by their ids."""
        return self._awaited

    def make(self, name: str, node: str, cores: float) -> None:
        """Make a link; `made` gives it."""
        self._awaited[node] = name
        self._jobs.put(partial(self._make, name, node, cores))

    def made(self) -> list[Link]:
        """Give the links that were made since it was last asked."""
        found = []
        with suppress(queue.Empty):
            while True:
                node, link = self._made.get_nowait()
                del self._awaited[node]
                if link is not None:
                    found.append(link)
        return found

    def end(self, link: Link) -> None:
        """End a link's process."""
        self._jobs.put(link.kill)

    def close(self) -> None:
        """Look no more; links that are still being made are ended."""
        self._closed = True
        self._jobs.put(lambda: None)
        self._thread.join(CLOSE_S)
        for link in self.made():
            link.kill()

    def _run(self) -> None:
        due_s = time.monotonic()
        while not self._closed:
            if time.monotonic() >= due_s:
                with suppress(Exception):  # Ray's own; the nodes stay as they were
                    self.nodes = self._living()
                due_s = time.monotonic() + DISCOVER_S
            with suppress(queue.Empty):
                self._jobs.get(timeout=max(due_s - time.monotonic(), 0.0))()

    def _make(self, name: str, node: str, cores: float) -> None:
        link = None
        with suppress(Exception):  # Ray's own; the node is tried again
            link = self._link(name, node, cores)
        self._made.put((node, link))


def living(ray: Any) -> Mapping[str, tuple[str, float]]:
    """Give name and cores of the nodes that have any, by their id."""
    return {
        node["NodeID"]: (node.get("NodeName") or node["NodeManagerAddress"], float(cores))
        for node in ray.nodes()
        if node["Alive"] and (cores := node["Resources"].get("CPU", 0)) > 0
    }
