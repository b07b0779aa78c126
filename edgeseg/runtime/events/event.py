"""Hold one event as what is written of it: JSON with stream, zone, class, value, threshold and times."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from typing import Literal

_DIGITS = 6  # of values and seconds


@dataclass(frozen=True)
class Event:
    """The beginning or the end of an event.

    Attributes:
        stream, zone, class_name: where, and of what.
        kind: `begin` or `end`.
        measure: what `value` is: `area`, a fraction of the zone, or `count`, of instances.
        value: what was measured last.
        threshold: the event begins above it.
        time: when, by the clock of the wall, as ISO 8601 in UTC: `2026-11-25T22:15:00.250Z`.
        duration_s: seconds above the threshold that were counted so far, or in all.
        index: of the frame, None where the stream ended.
        media_s: the frame's time on the source's own clock, None where it has none.
    """

    stream: str
    zone: str
    class_name: str
    kind: Literal["begin", "end"]
    measure: Literal["area", "count"]
    value: float
    threshold: float
    time: str
    duration_s: float
    index: int | None = None
    media_s: float | None = None

    def to_line(self) -> bytes:
        """Write it as one line of JSON in UTF-8, without the end of the line."""
        values = {
            name: round(value, _DIGITS) if isinstance(value, float) else value
            for name, value in asdict(self).items()
        }
        return json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")


def wall_time(seconds: float) -> str:
    """Write seconds since 1970 as ISO 8601 in UTC, to the millisecond."""
    moment = datetime.fromtimestamp(seconds, timezone.utc)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
