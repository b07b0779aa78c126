"""Place a site's cameras on the nodes of a cluster, watch the nodes, and replace the engine."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType

from edgeseg.cluster.discovery import Discovery, living
from edgeseg.cluster.joining import EXTRA, join
from edgeseg.cluster.link import NODE_GONE, START_S, Link
from edgeseg.cluster.order import Order
from edgeseg.cluster.placed import Sent, sent
from edgeseg.cluster.placement import move, place
from edgeseg.cluster.replacement import Replacement
from edgeseg.cluster.roster import Roster
from edgeseg.cluster.sent import digest_of
from edgeseg.cluster.status import ClusterStatus, camera_status, node_status
from edgeseg.cluster.tries import Tries
from edgeseg.errors import EngineError
from edgeseg.extras import require
from edgeseg.manifest import read_manifest
from edgeseg.runtime.settings import SiteSettings

SETTLE_S = 30.0  # that the first placement waits for nodes that start
AGAIN_S = 20.0  # before a lost node is tried again; a cluster takes as long to find that it is gone
BROKEN_S = 60.0  # before an engine that does not open on a node is tried there again; twice as long each time
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
        read_manifest(Path(settings.engine), check_files=True)  # before a cluster is joined, or started
        self._ray = ray = require("ray", EXTRA)
        join(ray, address)
        self._engine = sent(ray, Path(settings.engine))
        self._first = self._engine.digest
        self._replacement: Replacement | None = None  # another engine, while it is proven
        self._links: dict[str, Link] = {}  # by the node's id
        self._discovery = Discovery(lambda: living(ray), lambda *node: Link(ray, *node))
        self._roster = Roster()
        self._refusals: dict[str, str] = {}  # by name of nodes: what was said of them
        self._again_s: dict[str, float] = {}  # when lost nodes are tried again
        self._tries = Tries(BROKEN_S)  # of the engine, by process
        self._began_s = self._balanced_s = time.monotonic()
        self._ever_ready = False

    def look(self) -> bool:
        """Do all that is due; true once all cameras have ended.

        Raises:
            EngineError: if no node can run the engine.
        """
        now_s = time.monotonic()
        self._discover(now_s)
        fresh = [link for link in self._links.values() if link.look()]
        for link in [link for link in self._links.values() if link.lost]:
            self._lose(link, now_s)
        self._prepare(now_s)
        self._refuse_none(now_s)
        self._replace_engine()
        for link in fresh:
            if link.node in self._links:
                self._read(link, now_s)
        ready = self._ready()
        self._place(ready, now_s)
        for link in self._links.values():
            if link.name in ready:
                link.order(self._order(link, self._digest))
            elif link.report is not None:
                link.order(self._order(link, link.report.engine or self._digest))  # to leave its cameras
            else:
                link.beat()
        return self._roster.all_ended(self._settings)

    def reload(self, settings: SiteSettings) -> None:
        """Follow other settings; another engine only once it has passed its proof on every node.

        Raises:
            EngineError: if there is no such engine.
        """
        folder = Path(settings.engine)
        digest = digest_of(folder, check_files=False)
        if digest == self._digest:
            self._follow(settings)
            return
        self._replacement = Replacement(settings, digest, partial(self._send, folder, digest))
        count = len(self._ready())
        where = (
            f"is being proven on {count} node{'s' * (count != 1)}"
            if count
            else "waits for a node to prove it"
        )
        self._say(f"engine {digest[:12]} {where}")

    def status(self) -> ClusterStatus:
        """Say how all is going."""
        return ClusterStatus(
            self._digest,
            tuple(node_status(one, self._answers(one).get(self._digest)) for one in self._links.values()),
            tuple(camera_status(self._roster, stream.name) for stream in self._settings.streams),
        )

    def errors(self) -> dict[str, str]:
        """Say of cameras that have ended with an error what it was."""
        return {name: error for name, error in self._roster.ended.items() if error}

    def close(self) -> None:
        """End the cameras, let them finish what they write, and leave the cluster."""
        self._discovery.close()
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

    @property
    def _digest(self) -> str:
        """Of the engine that cameras are to have."""
        return self._engine.digest

    def _send(self, folder: Path, digest: str) -> Sent:
        """Send another engine. Raises EngineError if it is not the one of the digest any more."""
        engine = sent(self._ray, folder)
        if engine.digest != digest:
            raise EngineError(f"{folder} was changed meanwhile; read the settings again")
        return engine

    def _answers(self, link: Link) -> dict[str, str]:
        """Give what a node says of engines: whether they open, or of one that replaced another the proof."""
        return link.prepared if self._digest == self._first else link.proven

    def _ready(self) -> dict[str, Link]:
        """Give the nodes that can run the engine, by name."""
        return {
            link.name: link for link in self._links.values() if self._answers(link).get(self._digest) == ""
        }

    def _discover(self, now_s: float) -> None:
        """Make links to nodes that are new, or are tried again."""
        for link in self._discovery.made():
            self._links[link.node] = link
        for node, (name, cores) in self._discovery.nodes.items():
            awaited = self._discovery.awaited
            if node in self._links or node in awaited or now_s < self._again_s.get(node, 0.0):
                continue
            taken = {*awaited.values(), *(link.name for link in self._links.values())}
            self._discovery.make(f"{name}/{node[:6]}" if name in taken else name, node, cores)

    def _prepare(self, now_s: float) -> None:
        """Have nodes open the engine that have not; one that replaced another is proven, too."""
        for link in self._links.values():
            answers = self._answers(link)
            if (reason := answers.get(self._digest)) is None:
                if answers is link.prepared:
                    link.prepare(self._engine, self._settings)
                elif not link.is_proving(self._digest):
                    link.prove(self._engine, self._settings)
            elif reason:
                self._tell(link, f"cannot run the engine: {reason}")
                if self._tries.again(link.key, now_s):
                    del answers[self._digest]

    def _refuse_none(self, now_s: float) -> None:
        """Raise EngineError if no node could run the engine for as long as one may take to start."""
        self._ever_ready = self._ever_ready or bool(self._ready())
        if not self._ever_ready and now_s - self._began_s > START_S:
            said = [f"{name}: {reason}" for name, reason in self._refusals.items() if reason]
            late = [link.name for link in self._links.values() if link.name not in self._refusals]
            late += self._discovery.awaited.values()
            said += [f"{name}: it did not start within {START_S:g} s" for name in late]
            raise EngineError("; ".join(said) or NO_NODE)

    def _read(self, link: Link, now_s: float) -> None:
        """Take in a report; a node whose engine broke is given no cameras."""
        report = link.report
        assert report is not None
        for line in self._roster.read(link, now_s):
            self._say(line)
        answers = self._answers(link)
        if report.broken and answers.get(self._digest) == "":
            answers[self._digest] = report.broken
            self._tries.failed(link.key, now_s)
            gone = self._roster.leave(link)
            self._tell(link, f"cannot run the engine: {report.broken}{self._elsewhere(gone)}")
        elif not report.refused and not report.broken and answers.get(self._digest) == "":
            self._tell(link, report.error)

    def _lose(self, link: Link, now_s: float) -> None:
        """Give up a node; its cameras are placed anew."""
        del self._links[link.node]
        gone = self._roster.lose(link)
        if gone or link.report is not None:
            self._say(f"{link.name}: lost ({link.lost}){self._elsewhere(gone)}")
            self._refusals.pop(link.name, None)
        elif link.lost != NODE_GONE:  # which was said when it was lost, or concerns nobody
            self._tell(link, link.lost)
        self._discovery.end(link)
        at_once = link.died and now_s - link.made_s > AGAIN_S  # its node is there, and it was not at fault
        self._again_s[link.node] = now_s if at_once else now_s + AGAIN_S

    def _elsewhere(self, gone: Sequence[str]) -> str:
        """Say what becomes of cameras that a node ran."""
        if not gone:
            return ""
        one = len(gone) == 1
        does = f"go{'es' * one} to another node" if self._ready() else f"wait{'s' * one} for a node"
        return f"; {', '.join(gone)} {does}"

    def _follow(self, settings: SiteSettings) -> None:
        self._roster.follow(self._settings, settings)
        self._settings, self._replacement = settings, None

    def _tell(self, link: Link, text: str) -> None:
        """Say what is wrong with a node, once."""
        if text != self._refusals.get(link.name, ""):
            self._refusals[link.name] = text
            if text:
                self._say(f"{link.name}: {text}")

    def _replace_engine(self) -> None:
        """Take another engine once it was proven wherever cameras can run; or say why not."""
        replacement, ready = self._replacement, self._ready()
        if replacement is None or (refused := replacement.verdict(ready)) is None:
            return
        self._replacement = None
        shown = f"engine {replacement.digest[:12]}"
        if refused:
            self._say(f"{shown} is refused, the old one goes on: {'; '.join(refused)}")
            return
        self._follow(replacement.settings)
        assert replacement.engine is not None  # which was proven
        self._engine = replacement.engine
        count = len(ready)
        self._say(f"{shown} has passed its proof on {count} node{'s' * (count != 1)} and takes over")

    def _place(self, ready: dict[str, Link], now_s: float) -> None:
        """Give cameras that have none a node, and now and then one another for the load's sake."""
        starting = bool(self._discovery.awaited) or any(
            self._digest not in self._answers(link) for link in self._links.values()
        )
        if not self._roster.placed and starting and now_s - self._began_s < SETTLE_S:
            return
        barred = self._roster.barred(ready, now_s, starting=starting)
        cores = {
            name: max(link.report.load.cores if link.report is not None else link.cores, LEAST_CORES)
            for name, link in ready.items()
        }
        loads = self._roster.loads(self._settings)
        self._roster.put(place(loads, cores, self._roster.placed, barred))
        if now_s - self._balanced_s >= REBALANCE_S and self._replacement is None:  # a proof takes cores, too
            self._balanced_s = now_s
            if (found := move(loads, cores, self._roster.placed, barred)) is not None:
                camera, node = found
                self._say(f"{camera}: moves from {self._roster.placed[camera]} to {node}, which has room")
                self._roster.move(camera, node)

    def _order(self, link: Link, digest: str) -> Order:
        """Give a node its cameras, but those that another one has not left yet."""
        held = {name for other in self._links.values() if other is not link for name in other.held}
        return self._roster.order(self._settings, digest, link, held)
