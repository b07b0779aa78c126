"""Sites to be served in tests: streams of made frames, with statuses as those of cameras."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edgeseg.frames.results import SemanticResult
from edgeseg.runtime.frame import Frame
from edgeseg.runtime.profiling.timing import Summary
from edgeseg.runtime.serve.app import Served
from edgeseg.runtime.serve.live import LiveSink
from edgeseg.runtime.status import (
    DropCause,
    SinkState,
    SinkStatus,
    SourceState,
    SourceStatus,
    StreamStatus,
)

from ..fakes import SEMANTIC

CLASSES = replace(
    SEMANTIC,
    class_names=("background", "car", "tree"),
    palette_rgb=((0, 0, 0), (220, 60, 0), (0, 80, 220)),
)
GATE = StreamStatus(
    "gate",
    SourceStatus(
        "rtsp://***@camera/1",
        SourceState.LIVE,
        offered=12,
        drops={DropCause.BUSY: 2},
        outages=1,
        recoveries=1,
        longest_outage_s=4.5,
    ),
    results=10,
    fps=5.0,
    latency_ms=Summary(20.0, 30.0, 40.0, 10),
    stages={"infer": Summary(15.0, 16.0, 17.0, 10)},
    sinks=(
        SinkStatus(
            "gate.mp4",
            SinkState.FAILING,
            written=9,
            dropped=1,
            waiting=3,
            retries=2,
            error="the disk is full",
        ),
    ),
)
YARD = StreamStatus("yard", SourceStatus("rtsp://***@camera/2", SourceState.WAITING, "cannot open it"))


def semantic_frame(index: int, class_id: int) -> tuple[Frame, SemanticResult]:
    """A grey frame 48 high and 64 wide whose left half is of one class, the rest of the first."""
    labels = np.zeros((48, 64), np.uint8)
    labels[:, :32] = class_id
    return Frame(np.full((48, 64, 3), 100, np.uint8), index, float(index)), SemanticResult(labels)


def site(views: dict[str, LiveSink] | None = None) -> Served:
    """Two cameras, of which one is down; the other has one result unless views are given."""
    if views is None:
        views = {"gate": LiveSink(), "yard": LiveSink()}
        views["gate"].write(*semantic_frame(0, 1), None)
    return Served(CLASSES, lambda: (GATE, YARD), lambda: views)
