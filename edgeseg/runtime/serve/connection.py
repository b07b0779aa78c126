"""Bound how long a client may hold a connection without sending a request or reading its answer."""

from __future__ import annotations

from typing import Any

from edgeseg.extras import require

PATIENCE_S = 10.0  # between two looks: for a whole request, and for a part of an answer
LEAST_READ_BYTES = 16 << 10  # of an answer, between two looks


def bounded_protocol() -> type[Any]:
    """Give uvicorn's protocol with these bounds.

    Raises:
        MissingExtraError: if uvicorn is not installed.
    """
    protocol: type[Any] = require("uvicorn.protocols.http.h11_impl", "serve").H11Protocol

    class Bounded(protocol):  # type: ignore[misc]
        """A connection that is cut where its client makes no progress."""

        def connection_made(self, transport: Any) -> None:
            """Begin to watch."""
            super().connection_made(transport)
            self._unread = 0
            self._seen: Any = None
            self._watch = self.loop.call_later(PATIENCE_S, self._look)

        def connection_lost(self, exc: Exception | None) -> None:
            """Watch no more."""
            self._watch.cancel()
            super().connection_lost(exc)

        def _look(self) -> None:
            """Cut it if since the last look no new request was whole, and what is answered hardly read."""
            unread = self.transport.get_write_buffer_size()
            is_same = self.cycle is self._seen
            is_idle = self.cycle is None or self.cycle.response_complete
            is_stuck = (
                unread > max(0, self._unread - LEAST_READ_BYTES) if self._unread else is_idle and not unread
            )
            if is_same and is_stuck:
                self.transport.abort()
                return
            self._unread, self._seen = unread, self.cycle
            self._watch = self.loop.call_later(PATIENCE_S, self._look)

    return Bounded
