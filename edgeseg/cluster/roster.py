"""Keep what is known of each camera of a cluster: where it runs, where it ran, what it takes, and its end."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from typing import Protocol

from edgeseg.cluster.order import Order, Report
from edgeseg.runtime.settings import SiteSettings
from edgeseg.runtime.status import SinkState, SourceState, StreamStatus

GUESS = 0.5  # cores of a camera, while none was measured
SMOOTHING = 0.1  # weight of a report; some four come from one measurement to the next
REFUSED_S = 60.0  # before a camera is tried again on a node that could not run it


class Reporting(Protocol):
    """A node, as far as the roster knows it."""

    name: str
    key: str  # of its process, another for each
    report: Report | None
    held: set[str]


class Roster:
    """What is known of cameras, by their names.

    Attributes:
        placed: the node's name.
        moves: how often each went to another node.
        streams: the last status that its node gave.
        measured: cores that it takes, smoothed.
        ended: those that have, with their error, empty for none; or that no node can run.
    """

    def __init__(self) -> None:
        self.placed: dict[str, str] = {}
        self.moves: dict[str, int] = {}
        self.streams: dict[str, StreamStatus] = {}
        self.measured: dict[str, float] = {}
        self.ended: dict[str, str] = {}
        self._hosts: dict[str, dict[str, bool]] = {}  # processes that ran it, and whether it had results
        self._refused: dict[str, dict[str, tuple[str, float]]] = {}  # by node: why it cannot run there, since
        self._given_up: set[str] = set()  # of `ended`: those that every node refuses
        self._told: set[tuple[str, str, str]] = set()  # cameras, nodes and why they are refused
        self._last_s: dict[str, float] = {}  # when it had a result, as far as was seen
        self._away_s: dict[str, float | None] = {}  # of those that move: when it had its last result

    def read(self, link: Reporting, now_s: float) -> list[str]:
        """Take in a node's report; gives a line for each camera that runs again, or cannot run there."""
        lines: list[str] = []
        if link.report is None:
            return lines
        for stream in link.report.cameras:
            hosts = self._hosts.setdefault(stream.name, {})
            hosts[link.key] = hosts.get(link.key, False) or stream.results > 0
            if self.placed.get(stream.name) != link.name:
                continue  # it is leaving
            before = self.streams.get(stream.name)
            self.streams[stream.name] = stream
            if stream.results and (before is None or before.results != stream.results):
                if stream.name in self._away_s:
                    lines.append(self._again(stream.name, now_s))
                self._last_s[stream.name] = now_s
            if link.report.settled and _has_ended(stream):
                if stream.error and not stream.results:
                    lines += self._refuse(link, stream.name, stream.error, now_s)
                else:
                    self.ended[stream.name] = stream.error
        for name, reason in link.report.refused.items():
            if self.placed.get(name) == link.name:
                lines += self._refuse(link, name, reason, now_s)
        for name, cores in link.report.load.cameras.items():
            old = self.measured.get(name, cores)
            self.measured[name] = old + SMOOTHING * (cores - old)
        return lines

    def follow(self, before: SiteSettings, settings: SiteSettings) -> None:
        """Take in other settings: cameras that have ended, and are changed, begin anew."""
        new = {stream.name: stream for stream in settings.streams}
        for stream in before.streams:
            if new.get(stream.name) != stream:
                self.ended.pop(stream.name, None)
                self._refused.pop(stream.name, None)
                self._given_up.discard(stream.name)

    def barred(self, ready: Collection[str], now_s: float, *, starting: bool) -> dict[str, set[str]]:
        """Give the nodes that cannot run a camera; those that no node can run have ended, for now.

        Args:
            ready: the names of all nodes that could run cameras.
            starting: whether there may be more of them soon.
        """
        found = {}
        for name, reasons in self._refused.items():
            for node, (_, since_s) in list(reasons.items()):
                if now_s - since_s > REFUSED_S:
                    del reasons[node]
            found[name] = set(reasons)
            if ready and not starting and found[name].issuperset(ready):
                self.ended[name] = _together({node: reason for node, (reason, _) in reasons.items()})
                self._given_up.add(name)
            elif ready and name in self._given_up:
                self._given_up.discard(name)
                del self.ended[name]
        return found

    def loads(self, settings: SiteSettings) -> dict[str, float]:
        """Give what each camera that has not ended takes; of those unknown the mean of the others."""
        names = [stream.name for stream in settings.streams if stream.name not in self.ended]
        known = [self.measured[name] for name in names if name in self.measured]
        guess = sum(known) / len(known) if known else GUESS
        return {name: self.measured.get(name, guess) for name in names}

    def put(self, placed: Mapping[str, str]) -> None:
        """Note where cameras are to run; those that have ended stay where they were."""
        stay = {name: node for name, node in self.placed.items() if name in self.ended}
        self.placed = {**stay, **placed}

    def move(self, camera: str, node: str) -> None:
        """Send one camera to another node."""
        self.placed[camera] = node
        self._leave(camera)

    def lose(self, link: Reporting) -> list[str]:
        """Forget a node; gives the cameras that are to run elsewhere."""
        for name in link.held:
            self._hosts.setdefault(name, {})[link.key] = True  # it may have had results that nobody heard of
        for reasons in self._refused.values():
            reasons.pop(link.name, None)
        return self.leave(link)

    def leave(self, link: Reporting) -> list[str]:
        """Take all cameras from a node; gives those that are to run elsewhere: none that has ended."""
        there = [name for name, node in self.placed.items() if node == link.name]
        gone = [name for name in there if name not in self.ended]
        for name in there:
            del self.placed[name]
        for name in gone:
            self._leave(name)
        return gone

    def order(self, settings: SiteSettings, engine: str, link: Reporting, held: Collection[str]) -> Order:
        """Give a node its cameras.

        Args:
            held: cameras that others may still be running; they are not begun.
        """
        streams = [
            one for one in settings.streams if self.placed.get(one.name) == link.name and one.name not in held
        ]
        written = [
            text
            for one in streams
            for text in one.outputs
            if self._hosts.get(one.name, {}).keys() - {link.key}
        ]
        return Order(dataclasses.replace(settings, streams=tuple(streams)), engine, tuple(written))

    def all_ended(self, settings: SiteSettings) -> bool:
        """Whether no camera is left to run."""
        return all(stream.name in self.ended for stream in settings.streams)

    def _refuse(self, link: Reporting, camera: str, reason: str, now_s: float) -> list[str]:
        """Note that a node cannot run a camera, which is to go to another; gives a line, once."""
        self._refused.setdefault(camera, {})[link.name] = reason, now_s
        hosts = self._hosts.get(camera, {})
        if not hosts.get(link.key):
            hosts.pop(link.key, None)  # outputs are opened with the first result
        self.placed.pop(camera, None)
        self._away_s.setdefault(camera, self._last_s.get(camera))
        told = camera, link.name, reason
        if told in self._told:
            return []
        self._told.add(told)
        return [f"{camera}: cannot run on {link.name}: {reason}"]

    def _leave(self, camera: str) -> None:
        self.moves[camera] = self.moves.get(camera, 0) + 1
        self._away_s[camera] = self._last_s.get(camera)
        self.streams.pop(camera, None)

    def _again(self, camera: str, now_s: float) -> str:
        since_s = self._away_s.pop(camera)
        gap = "" if since_s is None else f", {now_s - since_s:.1f} s after the last result before"
        return f"{camera}: runs on {self.placed[camera]}{gap}"


def _has_ended(stream: StreamStatus) -> bool:
    """Whether nothing more comes of it, and all that did is written."""
    source = stream.source
    closed = all(sink.state is SinkState.CLOSED for sink in stream.sinks)
    return source.state is SourceState.ENDED and not source.waiting and closed


def _together(reasons: Mapping[str, str]) -> str:
    """Give what nodes say in a line: once, if all say the same."""
    if len(set(reasons.values())) == 1:
        return next(iter(reasons.values()))
    return "; ".join(f"{node}: {reason}" for node, reason in sorted(reasons.items()))
