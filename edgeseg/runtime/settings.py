"""Hold what a user may ask of a site: cameras, one engine, sinks, thresholds, zones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from edgeseg.records import Range

Fraction = Annotated[float, Range(0.0, 1.0)]
Point = tuple[Fraction, Fraction]
"""Column and row as fractions of the frame's width and height, 0..1."""
Polygon = tuple[Point, ...]

DEFAULT_STALL_TIMEOUT_S = 10.0
DAY_S = 86400.0
MOST_THREADS = 1024  # more than any machine has cores; those of this one are looked at when it starts

_NO_OTHER_KEYS: dict[str, Any] = {"extra": "forbid"}


@dataclass(frozen=True)
class ZoneSettings:
    """An event: a class within a polygon covers, or counts, more than a threshold for some time.

    Attributes:
        name: of the zone, in its events.
        class_name: what is measured.
        polygon: where, in fractions of the frame; empty for all of it.
        measure: `area` as a fraction of the zone, or `count` of instances whose mask's centre lies in it.
        above: the threshold; the event begins above it.
        for_s: seconds that it must stay above before the event begins, and at or below before it ends.
        outputs: where events go: `mqtt://...`, `http(s)://...` or a `.jsonl` file.
    """

    name: str
    class_name: str
    polygon: Polygon = ()
    measure: Literal["area", "count"] = "area"
    above: Annotated[float, Range(0.0, 1e9)] = 0.0
    for_s: Annotated[float, Range(0.0, DAY_S)] = 0.0
    outputs: tuple[str, ...] = ()

    __pydantic_config__: ClassVar[dict[str, Any]] = _NO_OTHER_KEYS


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
        tiles: columns and rows into which a large frame is cut, such as `4x3`, or `auto`; None for none.
        tile_overlap: of neighbouring tiles, as a fraction of a tile.
        zones: events.
    """

    source: str
    name: str = ""
    policy: Literal["latest", "every"] | None = None
    stall_timeout_s: Annotated[float, Range(0.0, 3600.0, above=True)] = DEFAULT_STALL_TIMEOUT_S
    outputs: tuple[str, ...] = ()
    score_threshold: Fraction | None = None
    crf: bool = False
    crf_threads: Annotated[int, Range(1, MOST_THREADS)] = 1
    budget_ms: Annotated[float, Range(0.0, 1000 * DAY_S, above=True)] | None = None
    classes: tuple[str, ...] = ()
    region: Polygon = ()
    smooth: bool = False
    track: bool = False
    tiles: str | None = None
    tile_overlap: Annotated[float, Range(0.0, 0.49)] = 0.25
    zones: tuple[ZoneSettings, ...] = ()

    __pydantic_config__: ClassVar[dict[str, Any]] = _NO_OTHER_KEYS


@dataclass(frozen=True)
class ServeSettings:
    """Where the page is.

    Attributes:
        host: 127.0.0.1 is this machine alone; any other address takes a token.
        port: 0 for any that is free.
        token_file: holds the token; None stands for one that is made and printed once.
        hosts: names by which a reverse proxy asks for it, such as `cameras.example.org`; takes a token, too.
    """

    host: str = "127.0.0.1"
    port: Annotated[int, Range(0, 65535)] = 8080
    token_file: str | None = None
    hosts: tuple[str, ...] = ()

    __pydantic_config__: ClassVar[dict[str, Any]] = _NO_OTHER_KEYS


@dataclass(frozen=True)
class SiteSettings:
    """What is asked of a site.

    In sources and outputs `${NAME}` stands for a variable of the environment, so that no file holds a
    password; it is put in when they are opened, and never shown.

    Attributes:
        engine: folder of the engine.
        streams: at least one.
        device, threads: as for `Engine.open`.
        serve: the page, None for none.
        rotate: how much a part of a video or a `.jsonl` holds, such as `10m` or `1GB`; None for all, or a
            tenth of `keep`.
        keep: how much of what these sinks write is kept, such as `24h` or `10GB`; None for all.
        max_memory: what may be taken at most, such as `400MB`: an engine that takes more to run once is
            refused, and the site ends when it has taken more; None for any.
    """

    engine: str
    streams: tuple[StreamSettings, ...] = ()
    device: str | None = None
    threads: Annotated[int, Range(1, MOST_THREADS)] | None = None
    serve: ServeSettings | None = None
    rotate: str | None = None
    keep: str | None = None
    max_memory: str | None = None

    __pydantic_config__: ClassVar[dict[str, Any]] = _NO_OTHER_KEYS
