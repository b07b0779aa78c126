"""Place a site's cameras on the nodes of a cluster, watch the nodes, and replace the engine."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

from edgeseg.cluster.joining import EXTRA, join
from edgeseg.cluster.link import Link, living
from edgeseg.cluster.order import CameraStatus, ClusterStatus, NodeStatus, Order
from edgeseg.cluster.placement import move, place
from edgeseg.cluster.roster import Roster
from edgeseg.cluster.sent import digest_of, packed
from edgeseg.errors import EngineError
from edgeseg.extras import require
from edgeseg.runtime.settings import SiteSettings

DISCOVER_S = 2.0  # between two looks for nodes that are new
SETTLE_S = 30.0  # that the first placement waits for nodes that start
START_S = 60.0  # that a node may take to be there, with the engine
AGAIN_S = 20.0  # before a lost node is tried again; a cluster takes as long to find that it is gone
REBALANCE_S = 30.0  # between two cameras that are moved for the load's sake
CLOSE_S = 5.0  # for all nodes together to finish what they write
NO_NODE = "no node of the cluster has a core for cameras; start one with `ray start`"
LEAST_CORES = 0.1  # of a node whose cores others have


class Cameras:
    """The cameras of a site on a cluster; a context manager.

    One thread calls it, `look` several times a second.

    Args:
        settings: of the site, with names and absolute paths.
        address: of the cluster, see `join`.
        say: is told in a line what changes.

    Raises:
        EngineError: if there is no engine.
        MissingExtraError: if Ray is not installed.
        UsageError: if there is no cluster at that address.
    """

    def __init__(
        self, settings: SiteSettings, address: str, *, say: Callable[[str], None] = lambda line: None
    ) -> None:
        self._say = say
        self._settings = settings
        self._digest = self._first = digest_of(Path(settings.engine))
        self._ray = require("ray", EXTRA)
        join(self._ray, address)
        self._packages: dict[str, Any] = {}  # references by digest
        self._send(settings)
        self._wish: tuple[SiteSettings, str] | None = None  # another engine, while it is proven
        self._links: dict[str, Link] = {}  # by the node's id
        self._roster = Roster()
        self._refusals: dict[str, str] = {}  # by name of nodes: what was said of them
        self._again_s: dict[str, float] = {}  # when lost nodes are tried again
        self._began_s = self._balanced_s = time.monotonic()
        self._discovered_s = self._began_s - DISCOVER_S
        self._ever_ready = False

    def look(self) -> bool:
        """Do all that is due; true once all cameras have ended.

        Raises:
            EngineError: if no node can run the engine.
        """
        now_s = time.monotonic()
        if now_s - self._discovered_s >= DISCOVER_S:
            self._discovered_s = now_s
            self._discover(now_s)
        fresh = [link for link in self._links.values() if link.look()]
        for link in [link for link in self._links.values() if link.lost]:
            self._lose(link, now_s)
        self._replace_engine()
        ready = self._ready()
        for link in fresh:
            for line in self._roster.read(link, now_s):
                self._say(line)
            self._tell(link, link.report.error if link.report is not None else "")
        self._place(ready, now_s)
        for link in ready.values():
            link.order(self._order(link))
        return self._roster.all_ended(self._settings)

    def reload(self, settings: SiteSettings) -> None:
        """Follow other settings; another engine only once it has passed its proof on every node.

        Raises:
            EngineError: if there is no such engine.
        """
        digest = digest_of(Path(settings.engine))
        self._roster.follow(self._settings, settings)
        if digest == self._digest:
            self._settings, self._wish = settings, None
            return
        self._send(settings, digest)
        self._wish = settings, digest
        count = len(self._links)
        self._say(f"engine {digest[:12]} is being proven on {count} node{'s' * (count != 1)}")

    def status(self) -> ClusterStatus:
        """Say how all is going."""
        return ClusterStatus(
            self._digest,
            tuple(map(self._node_status, self._links.values())),
            tuple(self._camera_status(stream.name) for stream in self._settings.streams),
        )

    def errors(self) -> dict[str, str]:
        """Say of cameras that have ended with an error what it was."""
        return {name: error for name, error in self._roster.ended.items() if error}

    def close(self) -> None:
        """End the cameras, let them finish what they write, and leave the cluster."""
        ends = [link.end() for link in self._links.values()]
        try:
            if ends:
                self._ray.wait(ends, num_returns=len(ends), timeout=CLOSE_S)
            for link in self._links.values():
                link.kill()
        finally:
            self._ray.shutdown()

    def __enter__(self) -> Cameras:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _send(self, settings: SiteSettings, digest: str = "") -> None:
        digest = digest or self._digest
        if digest not in self._packages:
            self._packages[digest] = self._ray.put(packed(Path(settings.engine)))

    def _ready(self) -> dict[str, Link]:
        """Give the nodes that can run the engine, by name."""
        return {link.name: link for link in self._links.values() if link.prepared.get(self._digest) == ""}

    def _discover(self, now_s: float) -> None:
        for node, (name, cores) in living(self._ray).items():
            if node not in self._links and now_s >= self._again_s.get(node, 0.0):
                taken = {link.name for link in self._links.values()}
                shown = f"{name}/{node[:6]}" if name in taken else name
                self._links[node] = Link(self._ray, shown, node, cores)
        for link in self._links.values():
            if self._digest not in link.prepared:
                proven = self._digest != self._first
                link.prepare(self._digest, self._packages[self._digest], proven=proven)
                if not proven and now_s - link.made_s > START_S:
                    link.lost = f"it did not start within {START_S:g} s"
            elif reason := link.prepared[self._digest]:
                self._tell(link, f"cannot run the engine: {reason}")
        self._ever_ready = self._ever_ready or bool(self._ready())
        if not self._ever_ready and now_s - self._began_s > START_S:
            said = [f"{name}: {reason}" for name, reason in self._refusals.items() if reason]
            raise EngineError("; ".join(said) or NO_NODE)

    def _lose(self, link: Link, now_s: float) -> None:
        """Give up a node; its cameras are placed anew."""
        moved = self._roster.lose(link)
        if moved or link.report is not None:
            names = f"; {', '.join(moved)} run{'s' * (len(moved) == 1)} elsewhere" if moved else ""
            self._say(f"{link.name}: lost ({link.lost}){names}")
        else:
            self._tell(link, link.lost)
        link.kill()
        del self._links[link.node]
        self._again_s[link.node] = now_s + AGAIN_S

    def _tell(self, link: Link, text: str) -> None:
        """Say what is wrong with a node, once."""
        if text != self._refusals.get(link.name, ""):
            self._refusals[link.name] = text
            if text:
                self._say(f"{link.name}: {text}")

    def _replace_engine(self) -> None:
        """Take another engine once it was proven wherever cameras can run; or say why not."""
        if self._wish is None:
            return
        settings, digest = self._wish
        for link in self._links.values():
            link.prepare(digest, self._packages[digest], proven=True)
        if any(link.is_preparing(digest) for link in self._links.values()):
            return
        self._wish = None
        failed = [
            f"{link.name}: {reason}" for link in self._ready().values() if (reason := link.prepared[digest])
        ]
        for link in self._links.values():
            if link.prepared[digest]:
                del link.prepared[digest]  # it may be tried again
        if failed:
            self._say(f"engine {digest[:12]} is refused, the old one goes on: {'; '.join(failed)}")
            return
        self._settings, self._digest = settings, digest
        self._say(f"engine {digest[:12]} has passed its proof on every node and takes over")

    def _place(self, ready: dict[str, Link], now_s: float) -> None:
        """Give cameras that have none a node, and now and then one another for the load's sake."""
        starting = [link for link in self._links.values() if self._digest not in link.prepared]
        if not self._roster.placed and starting and now_s - self._began_s < SETTLE_S:
            return
        cores = {
            name: max(link.report.load.cores if link.report is not None else link.cores, LEAST_CORES)
            for name, link in ready.items()
        }
        loads = self._roster.loads(self._settings)
        self._roster.put(place(loads, cores, self._roster.placed))
        if now_s - self._balanced_s >= REBALANCE_S:
            self._balanced_s = now_s
            if (found := move(loads, cores, self._roster.placed)) is not None:
                camera, node = found
                self._say(f"{camera}: moves from {self._roster.placed[camera]} to {node}, which has room")
                self._roster.move(camera, node)

    def _order(self, link: Link) -> Order:
        """Give a node its cameras, but those that another one has not left yet."""
        held = {name for other in self._links.values() if other is not link for name in other.held}
        return self._roster.order(self._settings, self._digest, link, held)

    def _node_status(self, link: Link) -> NodeStatus:
        report, refused = link.report, link.prepared.get(self._digest)
        state = "starting" if refused is None else "refused" if refused else "running"
        if report is None:
            return NodeStatus(link.name, link.node, state, "", link.cores, 0.0, (), refused or "")
        return NodeStatus(
            link.name,
            link.node,
            state,
            report.engine,
            round(report.load.cores, 2),
            round(report.load.used, 2),
            tuple(camera.name for camera in report.cameras),
            refused or report.error,
        )

    def _camera_status(self, name: str) -> CameraStatus:
        roster = self._roster
        cores = round(roster.measured.get(name, 0.0), 3)
        return CameraStatus(
            name, roster.placed.get(name, ""), cores, roster.moves.get(name, 0), roster.streams.get(name)
        )
