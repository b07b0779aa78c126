"""Four RTSP cameras that break again and again, through one engine: what is lost, and how soon each is back.

The cameras are GStreamer's, in processes of their own. Their pictures say which camera and which frame they
are, and so do the labels that the engine makes of them: a result that is attributed to another camera, frame
or time is found. Silence is noticed after 1.5 s here, and an opening given up after 2 s, not 10 s. The
engine computes nothing; it takes 30 ms for a batch of up to four.

    python -m benchmarks.faults [--seconds N] [--seed N]
"""

from __future__ import annotations

import argparse
import math
import os
import sys
import threading
import time
from array import array
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from edgeseg.frames.results import Result, SemanticResult
from edgeseg.runtime import FakeBackend, Segmenter
from edgeseg.runtime.frame import Frame
from edgeseg.runtime.status import DropCause, SourceStatus, StreamStatus
from edgeseg.runtime.streams.stream import Stream
from edgeseg.runtime.streams.streams import Streams
from edgeseg.spec import GraphSpec, InputSpec, ModelSpec, OutputSpec, Provenance
from tests.servers.faulty import FPS, Fault, FaultyCameras
from tests.servers.marks import read_marks
from tests.servers.rtsp import why_no_rtsp_server

CAMERAS = 4
BATCH, HEIGHT, WIDTH = 4, 96, 128
INFER_S = 0.03
STALL_TIMEOUT_S = 1.5  # what is silent for longer is opened again: it counts as time that a camera is away
OPEN_TIMEOUT = "#open-timeout=2"  # so does this, where an answer was garbage
MOST_OUTAGE_S = 3.0  # after a camera is back, beside the pauses before attempts
MOST_LEFT = 3  # frames of a stream in work when it is stopped
START_TIMEOUT_S = 5.0  # before anything breaks
PAGE_BYTES, MB = os.sysconf("SC_PAGE_SIZE"), 1 << 20
SPEC = ModelSpec(
    task="semantic",
    class_names=("dark", "bright"),
    input=InputSpec(HEIGHT, WIDTH, batch=BATCH),
    graph=GraphSpec((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
    output_kind="labels",
    outputs=(OutputSpec("labels", "uint8", (BATCH, HEIGHT, WIDTH)),),
    source=Provenance("fake"),
    palette_rgb=((0, 0, 0), (200, 100, 0)),
)


class Log:
    """What came of one camera, and when; all times are of `time.monotonic()`."""

    def __init__(self, camera: int, shown_at_s: float) -> None:
        self.camera = camera
        self.came_s = array("d")  # each result
        self.shown_s = array("d")  # when its picture was shown
        self.pauses: list[tuple[float, float]] = []  # before attempts
        self.unreadable = 0  # pictures, of which some are damaged without a flag
        self.wrong: list[str] = []
        self._shown_at_s = shown_at_s
        self._last_index = self._last_shown = -1

    def result(self, frame: Frame, result: Result) -> None:
        """Check where a result belongs."""
        assert isinstance(result, SemanticResult)
        seen = read_marks(frame.image)
        found = read_marks(np.repeat(result.labels[..., None] * np.uint8(255), 3, axis=2))
        if seen is None or found is None:
            self.unreadable += 1
            return
        if not seen.camera == found.camera == self.camera or frame.stream != str(self.camera):
            self.wrong.append(f"camera {self.camera} ({frame.stream}) got {seen}, {found}")
        if seen.frame != found.frame:
            self.wrong.append(f"camera {self.camera}, frame {seen.frame} got the result of {found.frame}")
        shown_s = self._shown_at_s + seen.frame / FPS
        if (
            frame.index <= self._last_index
            or seen.frame < self._last_shown
            or shown_s > frame.time_s + 1 / FPS
        ):
            self.wrong.append(f"camera {self.camera}, frame {seen.frame} came after {self._last_shown}")
        self._last_index, self._last_shown = frame.index, seen.frame
        self.came_s.append(time.monotonic())
        self.shown_s.append(shown_s)

    def state(self, status: SourceStatus) -> None:
        """Keep the pauses."""
        if status.next_attempt_s is not None:
            self.pauses.append((time.monotonic(), status.next_attempt_s))

    def recovery_s(self, fault: Fault) -> tuple[float, float]:
        """Say how soon after a fault the next picture had its result, and how long pauses were till then."""
        results = zip(self.came_s, self.shown_s, strict=True)
        came_s = next((came_s for came_s, shown_s in results if shown_s >= fault.back_s), math.inf)
        paused_s = sum(
            max(min(until_s, came_s) - max(from_s, fault.back_s), 0.0) for from_s, until_s in self.pauses
        )
        return came_s - fault.back_s, paused_s


class Usage:
    """Memory, threads and descriptors of this process."""

    def __init__(self) -> None:
        self.memory_mb = int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_BYTES / MB
        self.threads = threading.active_count()
        self.descriptors = len(os.listdir("/proc/self/fd"))

    def __str__(self) -> str:
        return f"{self.memory_mb:8.1f} {self.threads:8} {self.descriptors:12}"


def main() -> None:
    """Print the tables; exit with 1 where something is not as it should be."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    if reason := why_no_rtsp_server():
        print(reason)
        return
    before = Usage()
    engine = FakeBackend(SPEC, delay_s=INFER_S).engine()
    with ExitStack() as stack:
        stack.callback(engine.close)
        cameras = stack.enter_context(FaultyCameras(CAMERAS, arguments.seconds, arguments.seed))
        logs = [Log(number, shown_at_s) for number, shown_at_s in enumerate(cameras.shown_at_s)]
        started_s = time.monotonic()
        with Streams(engine) as streams:
            for log, url in zip(logs, cameras.urls, strict=True):
                streams.add(
                    Stream(
                        str(log.camera),
                        url + OPEN_TIMEOUT,
                        Segmenter(engine),
                        stall_timeout_s=STALL_TIMEOUT_S,
                        on_result=log.result,
                        on_state=log.state,
                    )
                )
            while time.monotonic() < started_s + START_TIMEOUT_S and not all(map(_is_live, streams.status())):
                time.sleep(0.1)
            start = Usage()
            faults = cameras.faults()
            time.sleep(max(started_s + arguments.seconds - time.monotonic(), 0.0))
            end = Usage()
            closing_s = time.monotonic()
        closing_s = time.monotonic() - closing_s
        statuses = streams.status()
    after = Usage()
    complaints = _print_streams(statuses, logs) + _print_faults(faults, logs)
    print(f"\n{'':16} {'memory':>8} {'threads':>8} {'descriptors':>12}")
    for name, usage in (("before", before), ("start", start), ("end", end), ("closed", after)):
        print(f"{name:16} {usage}")
    print(f"closing took {closing_s:.2f} s")
    if end.threads > start.threads or after.threads > before.threads:
        complaints.append("there are more threads than in the beginning")
    if end.descriptors > start.descriptors:
        complaints.append("there are more descriptors than in the beginning")
    for line in complaints:
        print(f"WRONG: {line}")
    sys.exit(1 if complaints else 0)


def _is_live(status: StreamStatus) -> bool:
    return status.results > 0


def _print_streams(statuses: Sequence[StreamStatus], logs: Sequence[Log]) -> list[str]:
    """Print one row a camera; say what does not add up."""
    causes = [cause.value for cause in DropCause]
    columns = ["offered", "results", *causes, "left", "outages", "back", "unreadable", "longest s"]
    print(f"{'camera':8}" + "".join(f"{column:>11}" for column in columns))
    complaints = [line for log in logs for line in log.wrong[:5]]
    for status, log in zip(statuses, logs, strict=True):
        source = status.source
        drops = [source.drops.get(cause, 0) for cause in DropCause]
        left = source.offered - status.results - sum(drops)
        row = [
            source.offered,
            status.results,
            *drops,
            left,
            source.outages,
            source.recoveries,
            log.unreadable,
        ]
        print(
            f"{log.camera:<8}" + "".join(f"{value:11}" for value in row) + f"{source.longest_outage_s:11.1f}"
        )
        if not 0 <= left <= MOST_LEFT:
            complaints.append(f"camera {log.camera}: {left} frames are not accounted for")
        if not status.results:
            complaints.append(f"camera {log.camera} has no result")
    return complaints


def _print_faults(faults: Sequence[Fault], logs: Sequence[Log]) -> list[str]:
    """Print how long each kind of fault had effect after it was over; say what took too long."""
    complaints = []
    print(f"\n{'fault':8}{'times':>8}{'median s':>10}{'longest s':>11}{'less pauses s':>15}")
    for kind in sorted({fault.kind for fault in faults}):
        of_kind = [fault for fault in faults if fault.kind == kind]
        recoveries = [logs[fault.camera].recovery_s(fault) for fault in of_kind]
        less_s = [whole_s - paused_s for whole_s, paused_s in recoveries]
        whole = sorted(whole_s for whole_s, _ in recoveries)
        row = f"{len(whole):8}{whole[len(whole) // 2]:10.2f}{whole[-1]:11.2f}{max(less_s):15.2f}"
        print(f"{kind:8}" + row)
        complaints += [
            f"camera {fault.camera} was away for {seconds:.2f} s after {kind} at {fault.begun_s:.1f}"
            for fault, seconds in zip(of_kind, less_s, strict=True)
            if seconds >= MOST_OUTAGE_S
        ]
    return complaints


if __name__ == "__main__":
    main()
