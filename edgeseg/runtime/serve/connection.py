"""Bound how long a client may hold a connection without sending a request or reading its answer."""

from __future__ import annotations

from typing import Any

from edgeseg.extras import require

PATIENCE_S = 10.0  # for a whole request, and for any progress in reading an answer


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
            self._asked = False
            self._watch = self.loop.call_later(PATIENCE_S, self._look)

        def connection_lost(self, exc: Exception | None) -> None:
            """Watch no more."""
            self._watch.cancel()
            super().connection_lost(exc)

        def _look(self) -> None:
            unread = self.transport.get_write_buffer_size()
            stuck = unread and unread >= self._unread > 0
            if stuck or (self.cycle is None and not self._asked):
                self.transport.abort()
                return
            self._unread, self._asked = unread, True
            self._watch = self.loop.call_later(PATIENCE_S, self._look)

    return Bounded
