"""Send events to where they go: a queue and a thread for each place, which tries again until it is there."""

from __future__ import annotations

import random
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Protocol

from edgeseg.errors import UsageError, one_line
from edgeseg.files import unwritable
from edgeseg.runtime.backoff import Backoff
from edgeseg.runtime.events.event import Event
from edgeseg.runtime.sinks.addresses import WEB, check_address, is_address, open_sender
from edgeseg.runtime.sinks.messages import RefusedError
from edgeseg.runtime.sinks.mqtt import PORTS

MOST_WAITING = 1000  # events; of more the oldest go
CLOSE_S = 1.0  # for what waits, of the 2 s in which a site that is stopped ends
SUFFIX = ".jsonl"


class Sender(Protocol):
    """A place where lines of JSON go."""

    def send(self, line: bytes, /) -> None:
        """Send one, without the end of the line. Raises SinkError if it did not get there."""

    def close(self) -> None:
        """Let go of it."""


class EventOutput:
    """One place, whose events wait in a queue with a bound until they are there; in the order they come.

    Args:
        name: of the place, without passwords.
        sender: closed with it, by its thread.
        backoff: the pauses after failures.

    Attributes:
        name: of the place.
        sent: events that got there.
        lost: events that found no room while it was away, or waited in the end.
        trouble: one line on why the last attempt failed; empty after one that did not.
    """

    def __init__(self, name: str, sender: Sender, *, backoff: Backoff | None = None) -> None:
        self.name = name
        self.sent = self.lost = 0
        self.trouble = ""
        self._sender = sender
        self._backoff = backoff or Backoff()
        self._waiting: deque[bytes] = deque()
        self._changed = threading.Condition()
        self._ended = False
        self._thread = threading.Thread(target=self._run, name=f"edgeseg-events-{name}", daemon=True)
        self._thread.start()

    def put(self, event: Event) -> None:
        """Hand over an event; never waits."""
        with self._changed:
            if len(self._waiting) == MOST_WAITING:
                self._waiting.popleft()
                self.lost += 1
            self._waiting.append(event.to_line())
            self._changed.notify_all()

    def end(self) -> None:
        """Take what waits as the last."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def wait(self, timeout_s: float) -> None:
        """Wait for the thread to end; one that takes longer is left behind, and what waits is lost."""
        self._thread.join(timeout_s)
        if self._thread.is_alive():
            with self._changed:
                self.lost += len(self._waiting)
                self._waiting.clear()

    def _run(self) -> None:
        failures = 0
        while (line := self._first()) is not None:
            self.trouble, is_over = self._try(line)
            if is_over:
                failures = 0
                self._take_off(line, lost=bool(self.trouble))
            elif self._pause(self._backoff.delay_s(failures, random.random())):
                break
            else:
                failures += 1
        with suppress(Exception):  # nobody is left to be told
            self._sender.close()

    def _try(self, line: bytes) -> tuple[str, bool]:
        """Send one line; say why it did not get there, nothing if it did, and whether that is all for it."""
        try:
            self._sender.send(line)
        except Exception as error:  # whatever a place raises, the stream goes on
            return one_line(str(error) or type(error).__name__), isinstance(error, RefusedError)
        return "", True

    def _first(self) -> bytes | None:
        """Wait for an event and give the first that waits, which goes on waiting; None at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._ended)
            return self._waiting[0] if self._waiting else None

    def _take_off(self, line: bytes, *, lost: bool) -> None:
        with self._changed:
            if lost:
                self.lost += 1
            else:
                self.sent += 1
            if self._waiting and self._waiting[0] is line:  # else it had to make room meanwhile
                self._waiting.popleft()

    def _pause(self, pause_s: float) -> bool:
        """Wait before the next attempt; whether the end has come, and with it the last attempt."""
        with self._changed:
            was_ended = self._ended
            if not was_ended:
                self._changed.wait_for(lambda: self._ended, pause_s)
                return False
            self.lost += len(self._waiting)
            self._waiting.clear()
            return True


class EventOutputs:
    """All places of a site: zones that name the same one share it, whatever their streams.

    Args:
        open_sender: makes what sends to the place that a text names, and says how to call it.
    """

    def __init__(self, open_sender: Callable[[str], tuple[str, Sender]] | None = None) -> None:
        self._open_sender = open_sender or open_event_sender
        self._outputs: dict[str, tuple[EventOutput, int]] = {}  # with the number of those who use it
        self._lock = threading.Lock()

    @property
    def places(self) -> tuple[str, ...]:
        """Name those that somebody uses."""
        with self._lock:
            return tuple(output.name for output, _ in self._outputs.values())

    def take(self, text: str) -> EventOutput:
        """Give the place that a text names; give it back by `release`.

        Raises:
            UsageError: if there is no such kind of place.
        """
        with self._lock:
            if text not in self._outputs:
                self._outputs[text] = (EventOutput(*self._open_sender(text)), 0)
            output, users = self._outputs[text]
            self._outputs[text] = (output, users + 1)
            return output

    def release(self, text: str) -> None:
        """Give a place back; its last user closes it, which takes CLOSE_S at most."""
        with self._lock:
            output, users = self._outputs.pop(text)
            if users > 1:
                self._outputs[text] = (output, users - 1)
                return
        output.end()
        output.wait(CLOSE_S)

    def close(self) -> None:
        """Close all places, together within CLOSE_S."""
        with self._lock:
            outputs = [output for output, _ in self._outputs.values()]
            self._outputs.clear()
        for output in outputs:
            output.end()
        deadline_s = time.monotonic() + CLOSE_S
        for output in outputs:
            output.wait(max(0.0, deadline_s - time.monotonic()))

    def __enter__(self) -> EventOutputs:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def check_place(text: str) -> None:
    """Look at a place for events.

    Raises:
        UsageError: if it is neither a `.jsonl` file nor an address of a known kind.
    """
    if is_address(text) and text.partition("://")[0].lower() in (*PORTS, *WEB):
        check_address(text)
    elif Path(text).suffix.lower() != SUFFIX or text.endswith("/"):
        raise UsageError(f"{text!r} is no place for events; use mqtt://..., https://... or a {SUFFIX} file")


def open_event_sender(text: str) -> tuple[str, Sender]:
    """Turn what a user calls a place for events into what sends there, and its name without passwords.

    Raises:
        UsageError: as `check_place`.
        MissingExtraError: if what an address takes is not installed.
    """
    check_place(text)
    if is_address(text):
        sender = open_sender(text, "events")
        return sender.name, sender
    return text, EventFile(Path(text))


class EventFile:
    """Lines that are appended to a file, so that what it held before stays; made at the first event."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def send(self, line: bytes, /) -> None:
        """Append one line, whole or not at all but for a full disk. Raises SinkError."""
        try:
            with self._path.open("ab", buffering=0) as file:
                whole_bytes = file.tell()
                data = memoryview(line + b"\n")
                try:
                    while data:
                        data = data[file.write(data) :]
                except OSError:
                    with suppress(OSError):  # a pipe or a device takes nothing back
                        file.truncate(whole_bytes)
                    raise
        except OSError as error:
            raise unwritable(self._path, error) from error

    def close(self) -> None:
        """Nothing is open between events."""
