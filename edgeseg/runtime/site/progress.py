"""Tell streams that are at work, or have nothing to do, from those that hang."""

from __future__ import annotations

from collections.abc import Sequence

from edgeseg.runtime.status import StreamStatus


class Progress:
    """Sees one state of all streams after another.

    Frames that wait while no stream has had a result since the last look are what a hung engine, or a hung
    driver of its device, looks like. A camera that is down hangs nothing.
    """

    def __init__(self) -> None:
        self._results: dict[str, int] = {}

    def made(self, streams: Sequence[StreamStatus]) -> bool:
        """Whether there was a result since the last look, or no frame waits for one."""
        results = {stream.name: stream.results for stream in streams}
        grown = any(count != self._results.get(name, 0) for name, count in results.items())
        self._results = results
        return grown or not any(stream.source.waiting for stream in streams)
