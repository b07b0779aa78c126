"""Say how a stream is doing: what its report, its page and its metrics show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from edgeseg.runtime.profiling.timing import Summary


class SourceState(str, Enum):
    """What a source is doing; that no frame waits just now is none of them.

    Attributes:
        CONNECTING: being opened, for the first time or again.
        LIVE: frames come.
        STALLED: open, but silent, or showing the same picture, for longer than a camera may.
        WAITING: down; it is opened again after a pause that grows.
        ENDED: a recording is at its end, or the source was closed.
    """

    CONNECTING = "connecting"
    LIVE = "live"
    STALLED = "stalled"
    WAITING = "waiting"
    ENDED = "ended"


class DropCause(str, Enum):
    """Why a frame that a source offered has no result.

    Attributes:
        BUSY: a newer one came while the engine was busy.
        DAMAGED: it could not be decoded, or was missing.
        OUTAGE: it came from, or still waited of, a connection that was given up.
        SHED: the rate was lowered to keep within a budget of time.
        FAILED: its result could not be computed.
        STOPPED: the stream was stopped before it had one.
    """

    BUSY = "busy"
    DAMAGED = "damaged"
    OUTAGE = "outage"
    SHED = "shed"
    FAILED = "failed"
    STOPPED = "stopped"


@dataclass(frozen=True)
class SourceStatus:
    """How one source is doing.

    Attributes:
        address: what it is, without passwords.
        state: see SourceState.
        detail: one line on the state, such as the error of the last attempt; empty where all is well.
        since_s: `time.monotonic()` when it came into this state.
        next_attempt_s: `time.monotonic()` of the next attempt while it is down, else None.
        frame_hw: height and width of the last frame in pixels, None before the first.
        offered: frames that it gave, or that are known to be missing.
        waiting: frames that were read and not yet taken.
        drops: frames without a result, by cause.
        outages: how often it went down.
        recoveries: how often it came back.
        longest_outage_s: without a frame, from the last before to the first after.
        notes: one line for each thing that was read otherwise than a user might expect.
    """

    address: str
    state: SourceState
    detail: str = ""
    since_s: float = 0.0
    next_attempt_s: float | None = None
    frame_hw: tuple[int, int] | None = None
    offered: int = 0
    waiting: int = 0
    drops: Mapping[DropCause, int] = field(default_factory=dict)
    outages: int = 0
    recoveries: int = 0
    longest_outage_s: float = 0.0
    notes: tuple[str, ...] = ()


class SinkState(str, Enum):
    """What a sink is doing: writing, trying again after a failure, or closed."""

    OPEN = "open"
    FAILING = "failing"
    CLOSED = "closed"


@dataclass(frozen=True)
class SinkStatus:
    """How one sink is doing.

    Attributes:
        name: its path or address, without passwords.
        state: see SinkState.
        written: results that it took.
        waiting: results in its queue.
        dropped: results that found no room in its queue, or could not be written.
        retries: attempts after a failure.
        error: one line on the last failure, empty while there was none.
    """

    name: str
    state: SinkState
    written: int = 0
    waiting: int = 0
    dropped: int = 0
    retries: int = 0
    error: str = ""


@dataclass(frozen=True)
class StreamStatus:
    """How one stream is doing: its source, the figures of its stages, its sinks.

    Attributes:
        name: of the stream; unique among those that share an engine.
        results: frames that have one.
        fps: results a second over the last ten seconds.
        latency_ms: capture to result, None before the first.
        stages: durations by stage; see `profiling.timing`.
        shed: one line for each thing that is done less, or not at all, to keep within a budget of time.
        error: one line on why it ended, or on the last frame that could not be computed; empty if none.
    """

    name: str
    source: SourceStatus
    results: int = 0
    fps: float = 0.0
    latency_ms: Summary | None = None
    stages: Mapping[str, Summary] = field(default_factory=dict)
    sinks: tuple[SinkStatus, ...] = ()
    shed: tuple[str, ...] = ()
    error: str = ""
