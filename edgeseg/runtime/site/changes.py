"""Say in one line each when a camera goes down, falls silent, or is back."""

from __future__ import annotations

from collections.abc import Sequence

from edgeseg.runtime.status import SourceState, StreamStatus


class Changes:
    """Sees one state of all streams after another.

    A camera that is tried again and again is said to be down once. What goes as it should is not said: that
    a source is live from the start, or a recording at its end.
    """

    def __init__(self) -> None:
        self._states: dict[str, SourceState] = {}  # of streams, as they were last said to be

    def lines(self, streams: Sequence[StreamStatus]) -> list[str]:
        """Give a line for each stream whose state is another than at the last look."""
        lines = [line for stream in streams for line in self._lines(stream, alone=len(streams) == 1)]
        self._states = {name: self._states[name] for name in (stream.name for stream in streams)}
        return lines

    def _lines(self, stream: StreamStatus, *, alone: bool) -> list[str]:
        source = stream.source
        before = self._states.setdefault(stream.name, SourceState.CONNECTING)
        failed = source.state is SourceState.ENDED and stream.error != ""
        if failed and not alone and before is not SourceState.ENDED:
            self._states[stream.name] = source.state  # others go on; of one alone the run's own error says it
            return [f"{stream.name}: ended: {stream.error}"]
        if source.state in (before, SourceState.CONNECTING, SourceState.ENDED):
            return []
        self._states[stream.name] = source.state
        if source.state is SourceState.LIVE:
            return [] if before is SourceState.CONNECTING else [f"{stream.name}: live again"]
        detail = f": {source.detail}" if source.detail else ""
        return [f"{stream.name}: {source.state.value}{detail}"]
