"""Keep one source open: watch the thread that reads it, and open it again when it is down."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from types import TracebackType

from edgeseg.errors import SourceDownError
from edgeseg.runtime.backoff import Backoff
from edgeseg.runtime.frame import Frame
from edgeseg.runtime.profiling.timing import StageTimes
from edgeseg.runtime.settings import DEFAULT_STALL_TIMEOUT_S
from edgeseg.runtime.sources.base import Source
from edgeseg.runtime.status import DropCause, SourceState, SourceStatus
from edgeseg.runtime.streams.connection import Connection
from edgeseg.runtime.streams.inbox import Inbox, Policy
from edgeseg.runtime.streams.losses import Losses, no_frames, silent, stopped

OPEN_TIMEOUT_S = 30.0  # longer than the limits of the libraries that open sources
CLOSE_TIMEOUT_S = 1.6  # for what is blocked
CLOSE_LIMIT_S = 2.0  # in all


class Feed:
    """Frames of one source, however often it has to be opened.

    A recording gives every frame, a few of them read ahead, and ends. A live source gives the newest frame,
    and is opened again, for ever, when it ends, fails, or is silent for too long; it may be down in the
    beginning. `Frame.index` goes on rising and `Frame.time_s` never runs back; `Frame.media_s` is the
    source's own. Under `latest` a recording plays at its own rate, as if it were a camera.

    The time to capture each frame, from `Frame.time_s` until it is decoded, goes to the stage `capture`.
    One thread takes the frames; any may ask for the status, or close. All frames are accounted for: those
    taken, those that wait and those dropped are together those that were offered.

    Args:
        name: of the stream; its frames carry it.
        open_source: called in a thread, each time anew. A SourceDownError means that it is worth trying
            again; any other error is final, unless it was live before.
        lasts: False for a source that someone else opened, and closes: a live one that ends, or is silent for
            too long, is then an error.
        address: what the source is, without passwords, until it is open and says so itself.
        policy: `every` frame, or the `latest` only; None stands for `latest` where the source is live.
        stall_timeout_s: a live source that is silent for longer is opened again.
        open_timeout_s: an opening that takes longer is left behind; None for never.
        backoff: how long to wait before the next attempt.
        times: where durations go.
        on_frame: called in another thread when there is a frame to take, or the end. It must not block.
        on_state: called in another thread with the status at each change of state or of its detail.
        clock, chance: for tests; `chance` gives numbers in 0..1.

    Attributes:
        error: why it ended; None if it did not, or a recording came to its end, or it was closed.
    """

    def __init__(
        self,
        name: str,
        open_source: Callable[[], Source],
        *,
        lasts: bool = True,
        address: str = "",
        policy: Policy | None = None,
        stall_timeout_s: float = DEFAULT_STALL_TIMEOUT_S,
        open_timeout_s: float | None = OPEN_TIMEOUT_S,
        backoff: Backoff | None = None,
        times: StageTimes | None = None,
        on_frame: Callable[[], None] | None = None,
        on_state: Callable[[SourceStatus], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.name = name
        self.error: Exception | None = None
        self._open_source = open_source
        self._lasts = lasts
        self._stall_timeout_s = stall_timeout_s
        self._open_timeout_s = open_timeout_s
        self._backoff = backoff or Backoff()
        self._on_state = on_state or (lambda _: None)
        self._clock = clock
        self._chance = chance
        self._left: Connection | None = None  # given up, and perhaps still blocked
        times = times if times is not None else StageTimes()
        self._inbox = Inbox(
            name,
            address=address or name,
            policy=policy,
            times=times,
            on_frame=on_frame or (lambda: None),
            clock=clock,
        )
        self._thread = threading.Thread(target=self._run, name=f"edgeseg-feed-{name}", daemon=True)

    @property
    def ended(self) -> bool:
        """Whether no frame waits and none will come."""
        return self._inbox.ended

    @property
    def has_frame(self) -> bool:
        """Whether a frame waits."""
        return self._inbox.has_frame

    @property
    def is_stale(self) -> bool:
        """Whether newer frames than the one that waits were passed over, for it was not to be taken yet."""
        return self._inbox.is_stale

    @property
    def policy(self) -> Policy | None:
        """How frames are chosen; None until the source is open, where it decides."""
        return self._inbox.policy

    @property
    def source(self) -> Source | None:
        """The source, or the one that was opened last; None before the first."""
        return self._inbox.source

    @property
    def losses(self) -> Losses:
        """What the source lost up to the frame taken last, or in all once it has ended."""
        return self._inbox.losses

    @property
    def skipped(self) -> tuple[str, ...]:
        """One line for each input, or part of one, that could not be read, up to the frame taken last."""
        return tuple(self.source.skipped[: self.losses.skipped]) if self.source else ()

    def poll(self) -> Frame | None:
        """Return the frame that waits, None where there is none; never block."""
        return self._inbox.poll()

    def take(self, timeout_s: float | None = None) -> Frame | None:
        """Wait for a frame; None at the end of the source, once closed, or when the time is over."""
        return self._inbox.take(timeout_s)

    def expect(self, at_s: float | None, cause: DropCause = DropCause.BUSY) -> None:
        """Say when the next poll will be; what comes well before is passed over undecoded, for that cause.

        Args:
            at_s: by `time.monotonic()`; None for at any time. Under `every` it has no effect.
        """
        self._inbox.expect(at_s, cause)

    def await_source(self, timeout_s: float | None = None) -> Source | None:
        """Wait until the source is open for the first time; None at the end, or when the time is over."""
        return self._inbox.await_source(timeout_s)

    def status(self) -> SourceStatus:
        """Say how the source is doing."""
        return self._inbox.status()

    def stop(self) -> None:
        """Ask it to end, without waiting: before many are closed one after another."""
        self._inbox.stop()

    def close(self) -> None:
        """End it within 2 s; a thread that is blocked is left behind, and closes its source when it wakes."""
        self.stop()
        if self._thread.ident is not None:
            self._thread.join(CLOSE_LIMIT_S)

    def __iter__(self) -> Iterator[Frame]:
        """Give all frames, then raise the error, unless someone else closed the source meanwhile."""
        while (frame := self.take()) is not None:
            yield frame
        was_closed = not self._lasts and self.source is not None and self.source.closed
        if self.error is not None and not was_closed:
            raise self.error

    def __enter__(self) -> Feed:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self) -> None:
        try:
            self._end(self._keep_open())
            self._tell()
        except Exception as error:  # of `on_state`
            self._end(self.error or error)
        if self._inbox.connection is not None:
            self._inbox.connection.join(CLOSE_TIMEOUT_S)

    def _end(self, error: Exception | None) -> None:
        self.error = error
        self._inbox.end("" if error is None else str(error))

    def _keep_open(self) -> Exception | None:
        """Open the source again and again; return why it came to an end, None if all is well."""
        failures = 0
        while True:
            connection = self._connect()
            self._watch(connection)
            if self._inbox.stopped:
                return None
            if self._is_final(connection):
                return self._verdict(connection)
            failures = 0 if self._was_steady(connection) else failures
            self._give_up(connection, failures)
            failures += 1
            if self._inbox.stopped:
                return None

    def _connect(self) -> Connection:
        inbox = self._inbox
        connection = Connection(self._open_source, inbox, self._clock, name=self.name, owned=self._lasts)
        with inbox.lock:
            inbox.connection = connection
            inbox.history.enter(SourceState.CONNECTING, self._clock())
        connection.start()
        return connection

    def _watch(self, connection: Connection) -> None:
        """Wait until a connection is over, or silent for too long and to be given up."""
        inbox = self._inbox
        while True:
            self._tell()
            with inbox.lock:
                if inbox.stopped or connection.over:
                    return
                left_s = self._left_s(connection)
                if left_s is not None and left_s <= 0:
                    state = SourceState.CONNECTING if connection.source is None else SourceState.STALLED
                    inbox.history.enter(state, self._clock(), self._silence(connection))
                    if self._left is None or self._left.over:
                        return
                    left_s = None  # one at a time is left behind
                if not inbox.history.changes:
                    inbox.news.wait(left_s)

    def _left_s(self, connection: Connection) -> float | None:
        """Say how long a connection may yet be silent; None for as long as it likes."""
        if connection.source is None:
            limit_s = self._open_timeout_s
        else:
            limit_s = self._stall_timeout_s if connection.source.live else None
        if limit_s is None or connection.busy_since_s is None:
            return limit_s
        return connection.busy_since_s + limit_s - self._clock()

    def _silence(self, connection: Connection) -> str:
        if connection.source is None:
            return f"opening it takes longer than {self._open_timeout_s:g} s"
        return str(silent(connection.source, self._stall_timeout_s))

    def _is_final(self, connection: Connection) -> bool:
        """Tell whether trying again is of no use."""
        if not self._lasts:
            return True
        if not connection.over:
            return False
        if connection.error is None:
            return connection.source is None or not connection.source.live
        return not (isinstance(connection.error, SourceDownError) or self._inbox.was_live)

    def _verdict(self, connection: Connection) -> Exception | None:
        """Say why the source ended for good."""
        source = connection.source
        if connection.error is not None or source is None:
            return connection.error
        if not connection.over:
            return silent(source, self._stall_timeout_s)
        if not self._inbox.history.frames:
            return no_frames(source)
        return stopped(source) if source.live and not source.closed else None

    def _was_steady(self, connection: Connection) -> bool:
        if connection.first_s is None or connection.last_s is None:
            return False
        return connection.last_s - connection.first_s >= self._backoff.steady_s

    def _give_up(self, connection: Connection, failures: int) -> None:
        """Leave a connection, and wait before the next one."""
        inbox = self._inbox
        now_s = self._clock()
        next_s = now_s + self._backoff.delay_s(failures, self._chance())
        with inbox.lock:
            inbox.connection = None
            inbox.history.go_down()
            if connection.over:
                inbox.history.enter(SourceState.WAITING, now_s, self._reason(connection), next_s)
            else:
                state = SourceState.WAITING if connection.source is None else SourceState.STALLED
                inbox.history.enter(state, now_s, self._silence(connection), next_s)
                self._left = connection
        if not connection.over:
            connection.leave()
        self._tell()
        with inbox.lock:
            while not inbox.stopped and (left_s := next_s - self._clock()) > 0:
                inbox.news.wait(left_s)

    def _reason(self, connection: Connection) -> str:
        """Say why a connection is over that should have gone on."""
        if connection.error is not None:
            return str(connection.error)
        source = connection.opened_source
        return str(no_frames(source) if connection.first_s is None else stopped(source))

    def _tell(self) -> None:
        """Tell of the changes of state, with no lock held."""
        changes = self._inbox.history.changes
        while changes:
            self._on_state(changes.popleft())
