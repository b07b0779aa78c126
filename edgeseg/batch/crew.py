"""Give pieces to processes, each with an engine of its own, and give those of a process that died to another.

A process answers what became of each piece before it gets the next. It ends when its pipe does: with the run,
however that ends.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from types import TracebackType

from edgeseg.batch.parts import Parts
from edgeseg.batch.piece import Piece
from edgeseg.batch.settings import BatchSettings
from edgeseg.batch.work import Done, Worker
from edgeseg.errors import EdgesegError

TRIES = 3  # of a piece whose process died; then it is the piece that kills
END_S = 5.0  # that a process has to end in when it is told to

_SPAWN = multiprocessing.get_context("spawn")  # engines do not survive a fork


@dataclass
class _Hand:
    """A process, the pipe to it, and the piece that it has."""

    process: BaseProcess
    pipe: Connection
    piece: Piece | None = None


class Crew:
    """Processes that segment pieces; a context manager.

    Args:
        workers: how many.
    """

    def __init__(self, settings: BatchSettings, parts: Parts, workers: int) -> None:
        self._settings = settings
        self._parts = parts
        self.workers = workers
        self._hands: list[_Hand] = []

    def do(self, pieces: Sequence[Piece]) -> Iterator[tuple[Piece, Done]]:
        """Segment pieces, each once; gives them as they are done, in any order.

        A piece whose process dies is given to another; one that took TRIES of them is written as failed.

        Raises:
            EdgesegError: what a process raised that is no fault of the archive: the engine cannot be opened
                or fails, results cannot be written.
        """
        waiting = deque(pieces)
        deaths: Counter[Piece] = Counter()
        while len(self._hands) < min(self.workers, len(pieces)):
            self._hands.append(self._hire())
        while waiting or any(hand.piece for hand in self._hands):
            for hand in self._hands:
                if waiting and hand.piece is None:
                    self._give(hand, waiting.popleft())
            pipes = {hand.pipe: hand for hand in self._hands if hand.piece is not None}
            for pipe in wait(list(pipes)):
                hand = pipes[pipe]  # type: ignore[index]
                piece, hand.piece = hand.piece, None
                assert piece is not None
                try:
                    answer = hand.pipe.recv()
                except (EOFError, OSError):
                    deaths[piece] += 1
                    reason = self._replace(hand)
                    if deaths[piece] < TRIES:
                        waiting.appendleft(piece)
                        continue
                    self._parts.put_error(piece, f"the process that segmented it {reason}, {TRIES} times")
                    answer = Done(0, len(piece.files), passing=True)
                if isinstance(answer, EdgesegError):
                    raise answer
                yield piece, answer

    @property
    def process_ids(self) -> list[int]:
        """The system's numbers of the processes that are there."""
        return [hand.process.pid for hand in self._hands if hand.process.pid is not None]

    def _hire(self) -> _Hand:
        ours, theirs = _SPAWN.Pipe()
        process = _SPAWN.Process(target=serve, args=(theirs, self._settings, self._parts), daemon=True)
        process.start()
        theirs.close()  # so that its end is seen here
        return _Hand(process, ours)

    def _give(self, hand: _Hand, piece: Piece) -> None:
        hand.piece = piece
        with suppress(BrokenPipeError):  # it died meanwhile, which is seen when it is read from
            hand.pipe.send(piece)

    def _replace(self, hand: _Hand) -> str:
        """Put a new process in the place of one that died; says how that ended."""
        hand.process.join(END_S)
        code = hand.process.exitcode
        hand.pipe.close()
        new = self._hire()
        hand.process, hand.pipe = new.process, new.pipe
        if code is not None and code < 0:
            return f"was killed ({signal.Signals(-code).name})"
        return f"ended (status {code})"

    def __enter__(self) -> Crew:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End all processes, those that are at nothing by themselves; what others are at is not written."""
        for hand in self._hands:
            hand.pipe.close()
            if hand.piece is not None:
                hand.process.terminate()
        for hand in self._hands:
            hand.process.join(END_S)
            if hand.process.is_alive():
                hand.process.terminate()


def serve(pipe: Connection, settings: BatchSettings, parts: Parts) -> None:
    """Answer pieces until the pipe ends; runs in a process of its own."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal's Ctrl-C is the parent's
    worker: Worker | None = None
    with suppress(EOFError, OSError):
        while True:
            piece: Piece = pipe.recv()
            try:
                worker = worker or Worker(settings, parts)
                pipe.send(worker.do(piece))
            except EdgesegError as error:
                pipe.send(error)
    if worker is not None:
        worker.close()
