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


class Reporting(Protocol):
    """A node, as far as the roster knows it."""

    name: str
    node: str
    report: Report | None


class Roster:
    """What is known of cameras, by their names.

    Attributes:
        placed: the node's name.
        moves: how often each went to another node.
        streams: the last status that its node gave.
        measured: cores that it takes, smoothed.
        ended: those that have, with their error, empty for none.
    """

    def __init__(self) -> None:
        self.placed: dict[str, str] = {}
        self.moves: dict[str, int] = {}
        self.streams: dict[str, StreamStatus] = {}
        self.measured: dict[str, float] = {}
        self.ended: dict[str, str] = {}
        self._hosts: dict[str, set[str]] = {}  # ids of nodes where it had results
        self._last_s: dict[str, float] = {}  # when it had a result, as far as was seen
        self._away_s: dict[str, float | None] = {}  # of those that move: when it had its last result

    def read(self, link: Reporting, now_s: float) -> list[str]:
        """Take in a node's report; gives a line for each camera that runs again after it moved."""
        lines: list[str] = []
        if link.report is None:
            return lines
        for stream in link.report.cameras:
            if self.placed.get(stream.name) != link.name:
                continue  # it is leaving
            before = self.streams.get(stream.name)
            self.streams[stream.name] = stream
            if stream.results and (before is None or before.results != stream.results):
                self._hosts.setdefault(stream.name, set()).add(link.node)
                if stream.name in self._away_s:
                    lines.append(self._again(stream.name, now_s))
                self._last_s[stream.name] = now_s
            if link.report.settled and _has_ended(stream):
                self.ended[stream.name] = stream.error
        for name, cores in link.report.load.cameras.items():
            old = self.measured.get(name, cores)
            self.measured[name] = old + SMOOTHING * (cores - old)
        return lines

    def follow(self, before: SiteSettings, settings: SiteSettings) -> None:
        """Take in other settings: cameras that have ended, and are changed, begin anew."""
        old = {stream.name: stream for stream in before.streams}
        for stream in settings.streams:
            if old.get(stream.name) != stream:
                self.ended.pop(stream.name, None)

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
        gone = [name for name, node in self.placed.items() if node == link.name and name not in self.ended]
        for name in gone:
            del self.placed[name]
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
            text for one in streams for text in one.outputs if self._hosts.get(one.name, set()) - {link.node}
        ]
        return Order(dataclasses.replace(settings, streams=tuple(streams)), engine, tuple(written))

    def all_ended(self, settings: SiteSettings) -> bool:
        """Whether no camera is left to run."""
        return all(stream.name in self.ended for stream in settings.streams)

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
