"""Watch the zones of one stream: results in, events out."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgeseg.frames.results import Result
from edgeseg.runtime.events.event import Event, wall_time
from edgeseg.runtime.events.measure import Measure
from edgeseg.runtime.events.outputs import EventOutput, EventOutputs
from edgeseg.runtime.events.zone import Change, Zone
from edgeseg.runtime.filters.elapsed import Elapsed
from edgeseg.runtime.frame import Frame
from edgeseg.runtime.settings import ZoneSettings
from edgeseg.runtime.sinks.base import Sink
from edgeseg.spec import ModelSpec


class _Watched(NamedTuple):
    settings: ZoneSettings
    measure: Measure
    zone: Zone


class ZoneSink(Sink):
    """A sink that writes nothing but the events of its zones, in their own outputs' threads.

    Time passes by the clock of the source where that goes forward, else by that of capture; so a recording
    gives the events that its camera would have given, however fast it is read.

    Args:
        stream: its name, in events.
        outputs: where events go, by the texts in the zones' settings, unless `fill` changes them.
        fill: what to do with these texts first, such as putting in passwords.
        wall_s: the clock of the wall, in seconds since 1970.

    Raises:
        UsageError: as `Measure` and `EventOutputs.take`.
    """

    path = Path("zones")

    def __init__(
        self,
        stream: str,
        zones: tuple[ZoneSettings, ...],
        spec: ModelSpec,
        outputs: EventOutputs,
        *,
        fill: Callable[[str], str] = str,
        wall_s: Callable[[], float] = time.time,
    ) -> None:
        self._stream = stream
        self._zones = [
            _Watched(zone, Measure(zone, spec), Zone(above=zone.above, for_s=zone.for_s)) for zone in zones
        ]
        self._outputs = outputs
        self._wall_s = wall_s
        self._elapsed = Elapsed()
        self._time_s = 0.0
        self._values: dict[str, float] = {}  # of zones, the last
        self._taken: dict[str, EventOutput] = {}  # by text
        self._texts = {text: fill(text) for zone in zones for text in zone.outputs}
        try:
            for text, filled in self._texts.items():
                self._taken[text] = outputs.take(filled)
        except BaseException:
            self._release()
            raise

    @property
    def trouble(self) -> str:  # type: ignore[override]
        """Why events do not get to where they go; empty while they do."""
        return next((f"{one.name}: {one.trouble}" for one in self._taken.values() if one.trouble), "")

    @property
    def lost(self) -> int:  # type: ignore[override]
        """Events that never got there, of all streams that share a place."""
        return sum(output.lost for output in self._taken.values())

    def write(self, frame: Frame, result: Result, overlay: NDArray[np.uint8] | None = None) -> None:
        """Measure all zones; see `Sink.write`."""
        self._time_s += self._elapsed(frame)
        now_s = self._wall_s() - (time.monotonic() - frame.time_s)
        for watched in self._zones:
            value = self._values[watched.settings.name] = watched.measure(result)
            if change := watched.zone.step(self._time_s, value):
                self._tell(watched.settings, change, now_s, frame)

    def close(self) -> None:
        """End the events that are active, and give the outputs back."""
        for watched in self._zones:
            if change := watched.zone.close():
                self._tell(watched.settings, change, self._wall_s(), None)
        self._release()

    def _release(self) -> None:
        while self._taken:
            text, _ = self._taken.popitem()
            self._outputs.release(self._texts[text])

    def _tell(self, zone: ZoneSettings, change: Change, now_s: float, frame: Frame | None) -> None:
        event = Event(
            stream=self._stream,
            zone=zone.name,
            class_name=zone.class_name,
            kind=change.kind,
            measure=zone.measure,
            value=self._values[zone.name],
            threshold=zone.above,
            time=wall_time(now_s),
            duration_s=change.duration_s,
            index=None if frame is None else frame.index,
            media_s=None if frame is None else frame.media_s,
        )
        for text in dict.fromkeys(zone.outputs):
            self._taken[text].put(event)
