"""Give tasks to processes, each with an engine of its own, and give those of a process that died to another.

A process opens its engine and runs it once, says so, and then answers each task before it gets the next. It
ends when the process that started it does, in the middle of whatever it is at.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from types import TracebackType

from edgeseg.batch.parts import Parts
from edgeseg.batch.scratch import sweep
from edgeseg.batch.settings import BatchSettings
from edgeseg.batch.task import TRIES, Lost, Outcome, Task
from edgeseg.batch.work import Worker, answer
from edgeseg.errors import EdgesegError, EngineError, UsageError
from edgeseg.signals import signal_name

END_S = 5.0  # that a process has to end in when it is told to
BEGINNINGS = 7  # of processes that end before they are ready, one after another: then none will be
FIRST_WAIT_S = 0.1  # before another begins in the place of such a one; twice that before the next
READY, DIED = "ready", "died"  # what a process says first, and what its pipe's end says
NAME = "edgeseg-batch"  # of processes
UNGUARDED, ORPHANED = 78, 79  # statuses that processes end with

_SPAWN = multiprocessing.get_context("spawn")  # engines do not survive a fork


@dataclass
class _Hand:
    """A process, the pipe to it, and the task that it has, by its number.

    Attributes:
        ready: it has an engine that works.
    """

    process: BaseProcess
    pipe: Connection
    task: int | None = None
    ready: bool = False


class Crew:
    """Processes that do tasks; a context manager.

    Args:
        workers: how many.
    """

    def __init__(self, settings: BatchSettings, parts: Parts, workers: int) -> None:
        self._settings = settings
        self._parts = parts
        self.workers = workers
        self._hands: list[_Hand] = []
        self._unready = 0  # processes that ended before they were ready, since one was

    def do(self, tasks: Sequence[Task]) -> Iterator[tuple[Task, Outcome]]:
        """Do tasks; see `Doers.do`.

        Raises:
            EngineError: if processes end, one after another, before they are ready.
            UsageError: if they do so since a script calls this when it is imported.
            EdgesegError: as `Doers.do`.
        """
        waiting = deque(range(len(tasks)))
        deaths: Counter[int] = Counter()
        while len(self._hands) < min(self.workers, len(tasks)):
            self._hands.append(self._hire())
        while waiting or any(hand.task is not None for hand in self._hands):
            for hand in self._hands:
                if waiting and hand.ready and hand.task is None:
                    self._give(hand, waiting, tasks)
            pipes = {hand.pipe: hand for hand in self._hands}
            for pipe in wait(list(pipes)):
                hand = pipes[pipe]  # type: ignore[index]
                number, hand.task = hand.task, None
                said = _heard(hand.pipe)
                if said == DIED:
                    ended = self._replace(hand)
                    if number is None:
                        continue
                    deaths[number] += 1
                    if deaths[number] < TRIES:
                        waiting.appendleft(number)
                        continue
                    said = Lost(f"the process that segmented it {ended}, {TRIES} times")
                if isinstance(said, EdgesegError):
                    raise said
                if said == READY:
                    hand.ready, self._unready = True, 0
                    continue
                assert number is not None
                assert not isinstance(said, str)
                yield tasks[number], said

    @property
    def process_ids(self) -> list[int]:
        """The system's numbers of the processes that are there."""
        return [hand.process.pid for hand in self._hands if hand.process.pid is not None]

    def _hire(self) -> _Hand:
        ours, theirs = _SPAWN.Pipe()
        process = _SPAWN.Process(
            target=serve, name=NAME, args=(theirs, self._settings, self._parts), daemon=True
        )
        process.start()
        theirs.close()  # so that its end is seen here
        return _Hand(process, ours)

    def _give(self, hand: _Hand, waiting: deque[int], tasks: Sequence[Task]) -> None:
        number = waiting.popleft()
        try:
            hand.pipe.send(tasks[number])
            hand.task = number
        except BrokenPipeError:  # it died of nothing that it was given, which is seen when it is read from
            waiting.appendleft(number)

    def _replace(self, hand: _Hand) -> str:
        """Put a new process in the place of one that died; says how that ended. Raises as `do`."""
        hand.process.join(END_S)
        code = hand.process.exitcode
        hand.pipe.close()
        if code == UNGUARDED:
            raise UsageError(
                "the processes of a batch import the script that starts it, and that would start it again: "
                'call run_batch under `if __name__ == "__main__":`'
            )
        signalled = code is not None and code < 0
        ended = f"was killed ({signal_name(-code)})" if signalled else f"ended (status {code})"  # type: ignore[operator]
        if not hand.ready:
            self._unready += 1
            if self._unready == BEGINNINGS:
                raise EngineError(
                    f"no process is ready to segment: one {ended} before it was, {BEGINNINGS} times in turn; "
                    "does `edgeseg run` work with this engine, is there memory for as many processes "
                    "(--workers), does something kill them?"
                )
            time.sleep(FIRST_WAIT_S * 2 ** (self._unready - 1))
        new = self._hire()
        hand.process, hand.pipe, hand.ready = new.process, new.pipe, False
        return ended

    def __enter__(self) -> Crew:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End all processes, those that are at nothing by themselves; what others are at is not written.

        Temporary folders of those that were killed are removed.
        """
        for hand in self._hands:
            hand.pipe.close()
            if hand.task is not None or not hand.ready:
                hand.process.terminate()
        for hand in self._hands:
            hand.process.join(END_S)
            if hand.process.is_alive():
                hand.process.terminate()
        sweep()


def refuse_within() -> None:
    """End this process if it is one of a batch's, which imports a script that starts another."""
    if multiprocessing.current_process().name == NAME:
        raise SystemExit(UNGUARDED)


def _heard(pipe: Connection) -> Outcome | EdgesegError | str:
    """Give what a process says."""
    try:
        said: Outcome | EdgesegError | str = pipe.recv()
        return said
    except (EOFError, OSError):
        return DIED


def serve(pipe: Connection, settings: BatchSettings, parts: Parts) -> None:
    """Answer tasks until the pipe ends; runs in a process of its own."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal's Ctrl-C is the parent's
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        worker = Worker(settings, parts)
        worker.check()
    except EdgesegError as error:
        pipe.send(error)
        return
    with worker:
        try:
            pipe.send(READY)
            while True:
                pipe.send(answer(worker, pipe.recv()))
        except (EOFError, BrokenPipeError, ConnectionResetError):
            return


def _end_with_parent() -> None:
    """End this process at once when the one that started it has ended: what it is at is another run's now."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(ORPHANED)
