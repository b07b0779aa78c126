"""Put calls of several threads into batches of a fixed size, and give each call its part of the outputs.

There is no thread of its own and no waiting for a batch to fill: a call that finds nobody running runs at
once, with whatever has come by then. The calls that come meanwhile wait; the oldest of them runs the next
batch, for itself and for as many of those behind it as fit.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeseg.engines.pool import CLOSED
from edgeseg.errors import EngineError
from edgeseg.forks import tell_of_forks

Outputs = Mapping[str, NDArray[Any]]


@dataclass(eq=False)
class _Call:
    """One caller's images (n, H, W, C) and, once they are done, the batch's outputs or its error."""

    images: NDArray[Any]
    done: bool = False
    outputs: Outputs | None = None
    first: int = 0  # its first image in the batch
    error: Exception | None = None

    def fail(self, error: Exception) -> None:
        self.error, self.done = error, True

    def succeed(self, outputs: Outputs, first: int) -> None:
        self.outputs, self.first, self.done = outputs, first, True

    def result(self) -> dict[str, NDArray[Any]]:
        """Copy its part out of the batch's outputs."""
        if self.error is not None:
            raise self.error
        assert self.outputs is not None
        part = slice(self.first, self.first + len(self.images))
        return {name: value[part].copy() for name, value in self.outputs.items()}


class Batches:
    """Calls that share batches; `close` sends away those that wait.

    Args:
        infer: runs a whole batch; called by one thread at a time.
        shape: (N, H, W, C) of a batch.
        dtype: of its numbers.
    """

    def __init__(
        self, infer: Callable[[NDArray[Any]], Outputs], shape: tuple[int, ...], dtype: np.dtype[Any]
    ) -> None:
        self._infer = infer
        self._images = np.zeros(shape, dtype)  # of whoever runs
        self._filled = 0  # images of the buffer that are not blank
        self._closed = False
        self.forked()
        tell_of_forks(self)

    def forked(self) -> None:
        """Begin anew: whoever ran or waited in the parent is not here."""
        self._changed = threading.Condition()
        self._waiting: deque[_Call] = deque()
        self._running: Sequence[_Call] = ()  # the first of them runs the batch

    def infer(self, images: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """Run images (n, H, W, C), 1 <= n <= N, in a batch with others'; the outputs are the caller's own.

        Raises:
            EngineError: if it is closed, also while the call waits.
            Exception: what `infer` raised, for every call of the batch.
        """
        call = _Call(images)
        try:
            if self._await_turn(call):
                self._run()
        finally:
            self._leave(call)
        return call.result()

    def close(self) -> None:
        """Send away who waits, and who comes; a batch that runs goes on."""
        with self._changed:
            self._closed = True
            while self._waiting:
                self._waiting.popleft().fail(EngineError(CLOSED))
            self._changed.notify_all()

    def _await_turn(self, call: _Call) -> bool:
        """Wait until a call is done; return True where it is to run the next batch instead."""
        with self._changed:
            if self._closed:
                raise EngineError(CLOSED)
            self._waiting.append(call)
            self._changed.wait_for(lambda: call.done or self._is_next(call))
            if call.done:
                return False
            self._running = self._take()
            return True

    def _is_next(self, call: _Call) -> bool:
        return not self._running and self._waiting[0] is call

    def _take(self) -> Sequence[_Call]:
        """Take the oldest calls, as many as fit into one batch."""
        taken, room = [], len(self._images)
        while self._waiting and len(self._waiting[0].images) <= room:
            taken.append(self._waiting.popleft())
            room -= len(taken[-1].images)
        return taken

    def _run(self) -> None:
        calls = self._running
        try:
            firsts = self._fill(calls)
            outputs = self._infer(self._images)
        except Exception as error:  # raised again by each call
            for call in calls:
                call.fail(error)
            return
        for call, first in zip(calls, firsts, strict=True):
            call.succeed(outputs, first)

    def _fill(self, calls: Sequence[_Call]) -> list[int]:
        """Put the calls' images into the buffer, blank ones behind them; return where each call's begin."""
        firsts, end = [], 0
        for call in calls:
            firsts.append(end)
            end += len(call.images)
            self._images[firsts[-1] : end] = call.images
        self._images[end : self._filled] = 0
        self._filled = end
        return firsts

    def _leave(self, call: _Call) -> None:
        """Let the next run, whatever happened: an interrupt in one thread must not hold up the others."""
        with self._changed:
            if self._running and self._running[0] is call:
                others = [other for other in self._running[1:] if not other.done]
                self._waiting.extendleft(reversed(others))
                self._running = ()
                self._changed.notify_all()
            elif call in self._waiting:
                self._waiting.remove(call)
                self._changed.notify_all()
