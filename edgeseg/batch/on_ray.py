"""Give pieces to actors of Ray Data, on one machine or on the nodes of a cluster.

What travels is small: the pieces' descriptions, and what became of them. Frames are read, and results are
written, where the actor is, so archive and results lie where all nodes see them. The engine is sent along,
once a node. Ray starts an actor anew that died, gives its pieces to another, and holds back what nobody can
take yet.
"""

from __future__ import annotations

import dataclasses
import logging
import pickle
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any

from edgeseg.batch.parts import Parts
from edgeseg.batch.piece import Piece
from edgeseg.batch.rows import EXTRA
from edgeseg.batch.settings import BatchSettings
from edgeseg.batch.work import Done, Worker
from edgeseg.cluster.joining import join
from edgeseg.cluster.sent import packed, unpacked
from edgeseg.errors import EdgesegError
from edgeseg.extras import require

PIECE, DONE = "piece", "done"  # columns, pickled
IN_FLIGHT = 2  # pieces of an actor: the next is there when one is done
USE = "batch"  # of engines that are unpacked


class OnRay:
    """Actors that segment pieces; a context manager, like `Crew`.

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
        self.workers = workers or max(1, int(self._ray.cluster_resources().get("CPU", 1)))

    def do(self, pieces: Sequence[Piece]) -> Iterator[tuple[Piece, Done]]:
        """Segment pieces, each once; gives them as they are done, in any order. Raises as `Crew.do`."""
        if not pieces:
            return
        self._data.DataContext.get_current().enable_progress_bars = False  # whoever runs a batch shows one
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        rows = [{PIECE: pickle.dumps(piece)} for piece in pieces]
        engine = self._ray.put(packed(self._settings.engine))
        actors = self._data.ActorPoolStrategy(
            size=min(self.workers, len(rows)), max_tasks_in_flight_per_actor=IN_FLIGHT
        )
        done = self._data.from_items(rows, override_num_blocks=len(rows)).map_batches(
            Actor,
            batch_size=1,
            compute=actors,
            fn_constructor_args=(self._settings, self._parts, [engine]),
            num_cpus=1,
        )
        for row in done.iter_rows():
            answer = pickle.loads(row[DONE])
            if isinstance(answer, EdgesegError):
                raise answer
            yield pickle.loads(row[PIECE]), answer

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

    def __call__(self, batch: Mapping[str, Any]) -> dict[str, list[bytes]]:
        """Segment the one piece of a batch."""
        (pickled,) = batch[PIECE]
        answer: Done | EdgesegError
        try:
            self._worker = self._worker or self._opened()
            answer = self._worker.do(pickle.loads(pickled))
        except EdgesegError as error:
            answer = error
        return {PIECE: [pickled], DONE: [pickle.dumps(answer)]}

    def _opened(self) -> Worker:
        package = require("ray", EXTRA).get(self._engine)
        here = unpacked(package, self._parts.digest, USE)
        return Worker(dataclasses.replace(self._settings, engine=here), self._parts)
