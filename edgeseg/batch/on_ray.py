"""Give tasks to actors of Ray Data, on one machine or on the nodes of a cluster.

What travels is small: the pieces' descriptions, and what became of them. Frames are read, and results are
written, where the actor is, so archive and results lie where all nodes see them. The engine is sent along,
once a node. Ray starts an actor anew that died, gives it its tasks again, TRIES times in all, and holds back
what nobody can take yet.
"""

from __future__ import annotations

import dataclasses
import logging
import pickle
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any

from edgeseg.batch.parts import Parts
from edgeseg.batch.rows import EXTRA
from edgeseg.batch.settings import BatchSettings
from edgeseg.batch.task import TRIES, Lost, Outcome, Task
from edgeseg.batch.work import Worker, answer
from edgeseg.cluster.joining import join
from edgeseg.cluster.sent import packed, unpacked
from edgeseg.errors import EdgesegError, EngineError, one_line
from edgeseg.extras import require

NUMBER, TASK, SAID = "number", "task", "said"  # columns
IN_FLIGHT = 2  # tasks of an actor: the next is there when one is done
USE = "batch"  # of engines that are unpacked


class OnRay:
    """Actors that do tasks; a context manager, like `Crew`.

    Args:
        parts: whose folder all nodes see.
        workers: actors, of one core each; None stands for one a core of the cluster.
        address: as for `join`.

    Raises:
        MissingExtraError: if Ray is not installed.
        UsageError: if there is no cluster at that address.
        EngineError: if Ray does not start here.
    """

    def __init__(self, settings: BatchSettings, parts: Parts, workers: int | None, address: str) -> None:
        self._ray, self._data = require("ray", EXTRA), require("ray.data", EXTRA)
        self._settings = settings
        self._parts = parts
        join(self._ray, address)
        self._engine: Any = None  # Ray's reference to it, packed
        self.workers = workers or max(1, int(self._ray.cluster_resources().get("CPU", 1)))

    def do(self, tasks: Sequence[Task]) -> Iterator[tuple[Task, Outcome]]:
        """Do tasks; see `Doers.do`."""
        if not tasks:
            return
        if self._engine is None:
            self._engine = self._ray.put(packed(self._settings.engine))
            self._check()
        rows = [{NUMBER: number, TASK: pickle.dumps(task)} for number, task in enumerate(tasks)]
        lost = set(range(len(tasks)))
        with self._ray_data() as data:
            actors = data.ActorPoolStrategy(
                size=min(self.workers, len(rows)), max_tasks_in_flight_per_actor=IN_FLIGHT
            )
            done = data.from_items(rows, override_num_blocks=len(rows)).map_batches(
                Actor,
                batch_size=1,
                compute=actors,
                fn_constructor_args=(self._settings, self._parts, [self._engine]),
                num_cpus=1,
                max_restarts=-1,
                max_task_retries=TRIES - 1,
            )
            for row in self._told(done.iter_rows()):
                said = pickle.loads(row[SAID])
                if isinstance(said, EdgesegError):
                    raise said
                lost.discard(row[NUMBER])
                yield tasks[row[NUMBER]], said
        for number in sorted(lost):
            yield tasks[number], Lost(f"the process that segmented it died, {TRIES} times")

    def _check(self) -> None:
        """Open the engine on some node, and run it once. Raises EngineError, or what opening it raises."""
        check = self._ray.remote(num_cpus=1, max_retries=TRIES - 1)(checked)
        try:
            error = self._ray.get(check.remote(self._settings, self._parts, [self._engine]))
        except self._ray.exceptions.RayError as failure:
            raise EngineError(
                f"no process of Ray's is ready to segment: one that opened the engine died, {TRIES} times; "
                f"does `edgeseg run` work with it on the nodes? ({_first_line(failure)})"
            ) from failure
        if error is not None:
            raise error

    @contextmanager
    def _ray_data(self) -> Iterator[Any]:
        """Give Ray Data, quiet, and so that it goes on where a task is lost."""
        context = self._data.DataContext.get_current()
        before = context.enable_progress_bars, context.max_errored_blocks
        context.enable_progress_bars = False  # whoever runs a batch shows one
        context.max_errored_blocks = -1
        logging.getLogger("ray.data").setLevel(logging.CRITICAL)
        try:
            yield self._data
        finally:
            context.enable_progress_bars, context.max_errored_blocks = before

    def _told(self, rows: Iterator[Any]) -> Iterator[Any]:
        """Say of Ray's own errors in a line that the run cannot go on. Raises EngineError."""
        try:
            yield from rows
        except self._ray.exceptions.RayError as error:
            raise EngineError(
                f"Ray cannot go on ({_first_line(error)}); run it again: what is done is kept"
            ) from error

    def __enter__(self) -> OnRay:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the cluster; its actors of this run end."""
        self._ray.shutdown()


class Actor:
    """A worker in a process of Ray's, which opens the engine at its first piece.

    Args:
        engine: Ray's reference to the packed folder, in a list, which Ray passes on as it is.
    """

    def __init__(self, settings: BatchSettings, parts: Parts, engine: Sequence[Any]) -> None:
        self._settings = settings
        self._parts = parts
        (self._engine,) = engine
        self._worker: Worker | None = None

    def __call__(self, batch: Mapping[str, Any]) -> dict[str, list[Any]]:
        """Do the one task of a batch."""
        said: Outcome | EdgesegError
        try:
            self._worker = self._worker or _opened(self._settings, self._parts, self._engine)
            said = answer(self._worker, pickle.loads(batch[TASK][0]))
        except EdgesegError as error:
            said = error
        return {NUMBER: [batch[NUMBER][0]], SAID: [pickle.dumps(said)]}


def checked(settings: BatchSettings, parts: Parts, engine: Sequence[Any]) -> EdgesegError | None:
    """Open the engine on this node and run it once; gives what is wrong with it."""
    try:
        with _opened(settings, parts, engine[0]) as worker:
            worker.check()
    except EdgesegError as error:
        return error
    return None


def _opened(settings: BatchSettings, parts: Parts, engine: Any) -> Worker:
    package = require("ray", EXTRA).get(engine)
    here = unpacked(package, parts.digest, USE)
    return Worker(dataclasses.replace(settings, engine=here), parts)


def _first_line(error: BaseException) -> str:
    return one_line((str(error).splitlines() or [type(error).__name__])[0])
