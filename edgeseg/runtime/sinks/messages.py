"""Send results as messages to a broker or a web server that may be away: a bounded buffer, and retries."""

from __future__ import annotations

import random
import time
from collections import deque
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from edgeseg.errors import SinkError
from edgeseg.frames.results import Result
from edgeseg.runtime.backoff import Backoff
from edgeseg.runtime.frame import Frame
from edgeseg.runtime.sinks.base import Sink
from edgeseg.runtime.sinks.describe import describe, to_line
from edgeseg.spec import ModelSpec

MOST_WAITING = 1000  # messages; of more the oldest go
MOST_WAITING_BYTES = 16 << 20
FINISH_S = 0.5  # for what waits, of the time in which a run that is stopped ends
PAUSE_S = 0.05  # between the last attempts


class RefusedError(SinkError):
    """The place has the message, or an answer to it, and will not take it however often it comes."""


class Sender(Protocol):
    """A place where messages go."""

    @property
    def name(self) -> str:
        """What to call it, without passwords."""

    def send(self, data: bytes, /) -> None:
        """Send one message of JSON in UTF-8.

        Raises:
            SinkError: if it did not get there; RefusedError if it is no use to send it again.
        """

    def close(self) -> None:
        """Let go of it, within a second or so."""


class MessageSink(Sink):
    """Results as one message each, in order, kept within a bound while the place is away.

    A message that does not get there is sent again after a pause that grows; of more than MOST_WAITING, or
    MOST_WAITING_BYTES, the oldest go. What has not got there in the end is a SinkError.

    Args:
        masks: messages have run-length masks; else boxes, areas and counts.

    Attributes:
        lost: results that did not get there.
        trouble: why the last attempt failed; empty after one that did not.
    """

    def __init__(
        self, sender: Sender, spec: ModelSpec, *, masks: bool = False, backoff: Backoff | None = None
    ) -> None:
        self.path = Path(sender.name)
        self.trouble, self.lost = "", 0
        self._sender = sender
        self._spec = spec
        self._masks = masks
        self._backoff = backoff or Backoff()
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._failures = 0  # in a row
        self._retry_at_s = 0.0
        self._is_closed = False

    @property
    def name(self) -> str:
        """The address, without passwords."""
        return self._sender.name

    def write(self, frame: Frame, result: Result, overlay: NDArray[np.uint8] | None = None) -> None:
        """Send what waits and this, or let it wait, too."""
        data = to_line(describe(frame, result, self._spec.class_names, masks=self._masks))
        self._waiting.append(data)
        self._waiting_bytes += len(data)
        while len(self._waiting) > MOST_WAITING or self._waiting_bytes > MOST_WAITING_BYTES:
            self._drop_first()
        if time.monotonic() >= self._retry_at_s:
            self._send_waiting()

    def close(self) -> None:
        """Send what waits, as far as time allows. Raises SinkError if something did not get there."""
        if self._is_closed:
            return
        self._is_closed = True
        deadline_s = time.monotonic() + FINISH_S
        while not self._send_waiting() and time.monotonic() < deadline_s:
            time.sleep(PAUSE_S)
        while self._waiting:
            self._drop_first()
        self._sender.close()
        if self.lost:
            raise SinkError(
                f"{self.lost} results did not get to {self.name}; {self.trouble or 'it was away'}"
            )

    def _send_waiting(self) -> bool:
        """Whether all that waited went, or was refused."""
        while self._waiting:
            try:
                self._sender.send(self._waiting[0])
            except RefusedError as error:
                self._drop_first()
                self.trouble = str(error)
                continue
            except SinkError as error:
                self.trouble = str(error)
                self._retry_at_s = time.monotonic() + self._backoff.delay_s(self._failures, random.random())
                self._failures += 1
                return False
            self._waiting_bytes -= len(self._waiting.popleft())
            self.trouble, self._failures = "", 0
        return True

    def _drop_first(self) -> None:
        self._waiting_bytes -= len(self._waiting.popleft())
        self.lost += 1
