"""Hold what a user may ask of a site: cameras, one engine, sinks, thresholds, zones."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Point = tuple[float, float]
"""Column and row as fractions of the frame's width and height, 0..1."""
Polygon = tuple[Point, ...]

DEFAULT_STALL_TIMEOUT_S = 10.0


@dataclass(frozen=True)
class ZoneSettings:
    """An event: a class within a polygon covers, or counts, more than a threshold for some time.

    Attributes:
        name: of the zone, in its events.
        class_name: what is measured.
        polygon: where, in fractions of the frame; empty for all of it.
        measure: `area` as a fraction of the zone, or `count` of instances whose centre lies in it.
        above: the threshold; the event begins above it.
        for_s: seconds that it must stay above before the event begins, and below before it ends.
        outputs: where events go: `mqtt://...`, `http(s)://...` or a `.jsonl` file.
    """

    name: str
    class_name: str
    polygon: Polygon = ()
    measure: Literal["area", "count"] = "area"
    above: float = 0.0
    for_s: float = 0.0
    outputs: tuple[str, ...] = ()


@dataclass(frozen=True)
class StreamSettings:
    """What is asked of one stream.

    Attributes:
        source: what `open_source` takes.
        name: in reports and addresses; empty stands for one made from the source.
        policy: `latest` or `every` frame; None stands for `latest` where the source is live.
        stall_timeout_s: an open source that is silent for longer is opened again.
        outputs: what `open_sink` takes.
        score_threshold: of instances; None stands for the engine's own.
        crf: refine by a fully connected CRF, with `crf_threads`.
        budget_ms: shed quality before frames above this time from capture to result; None for never.
        classes: names of those that are kept; empty for all.
        region: polygon outside of which nothing is found, in fractions of the frame; empty for all of it.
        smooth: steady semantic labels over time.
        track: give instances ids that stay from frame to frame.
        tiles: columns and rows into which a large frame is cut, None for none.
        tile_overlap: of neighbouring tiles, as a fraction of a tile.
        zones: events.
    """

    source: str
    name: str = ""
    policy: Literal["latest", "every"] | None = None
    stall_timeout_s: float = DEFAULT_STALL_TIMEOUT_S
    outputs: tuple[str, ...] = ()
    score_threshold: float | None = None
    crf: bool = False
    crf_threads: int = 1
    budget_ms: float | None = None
    classes: tuple[str, ...] = ()
    region: Polygon = ()
    smooth: bool = False
    track: bool = False
    tiles: tuple[int, int] | None = None
    tile_overlap: float = 0.25
    zones: tuple[ZoneSettings, ...] = ()


@dataclass(frozen=True)
class ServeSettings:
    """Where the page is.

    Attributes:
        host: 127.0.0.1 is this machine alone; any other address takes a token.
        port: 0 for any that is free.
        token_file: holds the token; None stands for one that is made and printed once.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    token_file: str | None = None


@dataclass(frozen=True)
class SiteSettings:
    """What is asked of a site.

    Attributes:
        engine: folder of the engine.
        streams: at least one.
        device, threads: as for `Engine.open`.
        serve: the page, None for none.
        keep: how much of what sinks write is kept, such as `24h` or `10GB`; None for all.
    """

    engine: str
    streams: tuple[StreamSettings, ...] = field(default=())
    device: str | None = None
    threads: int | None = None
    serve: ServeSettings | None = None
    keep: str | None = None
