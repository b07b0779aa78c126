"""Give tasks to actors of Ray Data, on one machine or on the nodes of a cluster.

What travels is small: the pieces' descriptions, and what became of them. Frames are read, and results are
written, where the actor is, so archive and results lie where all nodes see them. The engine is sent along,
once a node. Ray starts an actor anew that died, gives its tasks to another, and holds back what nobody can
take yet.
"""

from __future__ import annotations

import dataclasses
import logging
import pickle
import platform
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any

from edgeseg.batch.groups import groups
from edgeseg.batch.parts import Parts
from edgeseg.batch.rows import EXTRA
from edgeseg.batch.settings import BatchSettings
from edgeseg.batch.task import TRIES, Lost, Outcome, Task
from edgeseg.batch.work import Worker, answer
from edgeseg.cluster.joining import HERE, join
from edgeseg.cluster.placed import Placed, Sent, remove_unused, sent
from edgeseg.errors import EdgesegError, EngineError, one_line
from edgeseg.extras import require

NUMBER, TASK, SAID = "number", "task", "said"  # columns
IN_FLIGHT = 2  # groups of an actor: the next is there when one is done
USE = "batch"  # of engines on nodes
END_S = 3.0  # that actors take to end, and to let go of their engine


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
        self._is_here = address == HERE
        self._engine: Sent | None = None
        self.workers = workers or max(1, int(self._ray.cluster_resources().get("CPU", 1)))

    def do(self, tasks: Sequence[Task]) -> Iterator[tuple[Task, Outcome]]:
        """Do tasks; see `Doers.do`."""
        if not tasks:
            return
        if self._engine is None:
            self._engine = sent(self._ray, self._settings.engine)
            self._check()
        workers = min(self.workers, len(tasks))
        begun = self._ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=-1)(Begun).remote()
        self._data.DataContext.get_current().enable_progress_bars = False  # whoever runs a batch shows one
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        actors = self._data.ActorPoolStrategy(size=workers, max_tasks_in_flight_per_actor=IN_FLIGHT)
        done = self._data.from_arrow([_table(group, tasks) for group in groups(tasks, workers)]).map_batches(
            Actor,
            batch_size=1,
            compute=actors,
            fn_constructor_args=(self._settings, self._parts, self._engine, begun),
            num_cpus=1,
        )
        for row in self._told(done.iter_rows()):
            said = pickle.loads(row[SAID])
            if isinstance(said, EdgesegError):
                raise said
            yield tasks[row[NUMBER]], said

    def _check(self) -> None:
        """Open the engine on some node, and run it once. Raises EngineError, or what opening it raises."""
        check = self._ray.remote(num_cpus=1, max_retries=TRIES - 1)(checked)
        try:
            node, error = self._ray.get(check.remote(self._settings, self._parts, self._engine))
        except self._ray.exceptions.RayError as failure:
            raise EngineError(
                f"no process of Ray's is ready to segment: one that opened the engine died, {TRIES} times; "
                f"does `edgeseg run` work with it on the nodes? ({_first_line(failure)})"
            ) from failure
        if error is not None:
            raise error if self._is_here else EngineError(f"node {node}: {error}")

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
        """Remove the engine from the nodes, and leave the cluster; its actors of this run end."""
        if kind is None and self._engine is not None:
            with suppress(self._ray.exceptions.RayError):
                self._remove(self._engine.digest)
        self._ray.shutdown()

    def _remove(self, digest: str) -> None:
        """Remove an engine from all nodes, where nobody else has it."""
        on_node = self._ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy
        nodes = [node["NodeID"] for node in self._ray.nodes() if node["Alive"]]
        removals = [
            self._ray.remote(num_cpus=0, max_retries=0, scheduling_strategy=on_node(node, soft=False))(
                remove_unused
            ).remote(digest, USE, END_S)
            for node in nodes
        ]
        self._ray.wait(removals, num_returns=len(removals), timeout=2 * END_S)


def _table(group: range, tasks: Sequence[Task]) -> Any:
    return require("pyarrow", EXTRA).table(
        {NUMBER: list(group), TASK: [pickle.dumps(tasks[number]) for number in group]}
    )


class Begun:
    """Counts how often each task was begun: Ray itself gives one that kills to actors for ever."""

    def __init__(self) -> None:
        self._times: Counter[int] = Counter()

    def count(self, number: int, done: int | None) -> int:
        """Count the beginning of a task; gives how many it has had.

        Args:
            done: the task that the actor has done before; Ray gives it out again, with all of its group,
                where another of the group kills.
        """
        if done is not None:
            del self._times[done]
        self._times[number] += 1
        return self._times[number]


class Actor:
    """A worker in a process of Ray's, which opens the engine at its first piece.

    Args:
        engine: as it was sent.
        begun: the actor that is told of each task that is begun.
    """

    def __init__(self, settings: BatchSettings, parts: Parts, engine: Sent, begun: Any) -> None:
        self._settings = settings
        self._parts = parts
        self._engine = engine
        self._begun = begun
        self._opened: tuple[Worker, Placed] | None = None
        self._done: int | None = None
        context = require("ray", EXTRA).get_runtime_context()
        self._is_successor = context.was_current_actor_reconstructed  # only these get what has killed

    def __call__(self, batch: Mapping[str, Any]) -> dict[str, list[Any]]:
        """Do the one task of a batch."""
        said: Outcome | EdgesegError
        number = int(batch[NUMBER][0])
        try:
            times = self._begun.count.remote(number, self._done)
            if self._is_successor and require("ray", EXTRA).get(times) > TRIES:
                lost = Lost(f"the process that segmented it died, {TRIES} times")
                return {NUMBER: [number], SAID: [pickle.dumps(lost)]}
            self._opened = self._opened or _opened(self._settings, self._parts, self._engine)
            said = answer(self._opened[0], pickle.loads(batch[TASK][0]))
            self._done = number
        except EdgesegError as error:
            said = error
        return {NUMBER: [number], SAID: [pickle.dumps(said)]}


def checked(settings: BatchSettings, parts: Parts, engine: Sent) -> tuple[str, EdgesegError | None]:
    """Open the engine on this node and run it once; gives the node's name, and what is wrong."""
    try:
        worker, placed = _opened(settings, parts, engine)
        with worker:
            worker.check()
        placed.let_go()  # to an actor
    except EdgesegError as error:
        return platform.node(), error
    return platform.node(), None


def _opened(settings: BatchSettings, parts: Parts, engine: Sent) -> tuple[Worker, Placed]:
    """Open the engine on this node; it stays there as long as somebody has it."""
    placed = Placed(engine, USE)
    return Worker(dataclasses.replace(settings, engine=placed.folder), parts), placed


def _first_line(error: BaseException) -> str:
    return one_line((str(error).splitlines() or [type(error).__name__])[0])
