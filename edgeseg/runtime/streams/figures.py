"""Count what came of a stream's frames: results, how soon, and those that could not be computed."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from edgeseg.errors import one_line
from edgeseg.runtime.profiling.timing import Durations
from edgeseg.runtime.status import DropCause, SourceStatus, StreamStatus
from edgeseg.runtime.streams.failures import Failures
from edgeseg.runtime.streams.tally import Rate


class Figures:
    """What came of a stream's frames. Not thread-safe: its stream holds a lock.

    Attributes:
        results: frames that have one.
    """

    def __init__(self) -> None:
        self.results = 0
        self._latency = Durations()
        self._rate = Rate()
        self._failures = Failures()
        self._last_error = ""

    def add(self, latency_s: float, now_s: float) -> None:
        """Count a result."""
        self.results += 1
        self._latency.add(latency_s)
        self._rate.add(now_s)
        self._failures.end()

    def fail(self, index: int, error: Exception, now_s: float) -> bool:
        """Count a frame that could not be computed; say whether nothing could be for too long."""
        self._last_error = f"frame {index}: {_said(error)}"
        return self._failures.add(now_s)

    def end(self, error: Exception) -> None:
        """Note why the stream ended."""
        self._last_error = _said(error)

    def status(self, name: str, source: SourceStatus, stopped: int, now_s: float) -> StreamStatus:
        """Say how the stream is doing, but for its stages and sinks.

        Args:
            source: whose drops are those before frames were taken.
            stopped: frames that were taken, and have no result for the stream was stopped.
        """
        drops = Counter(source.drops)
        drops[DropCause.FAILED] += self._failures.count
        drops[DropCause.STOPPED] += stopped
        return StreamStatus(
            name=name,
            source=replace(source, drops=+drops),
            results=self.results,
            fps=self._rate.fps(now_s),
            latency_ms=self._latency.summary(),
            error=self._last_error,
        )


def _said(error: Exception) -> str:
    return one_line(str(error) or type(error).__name__)
