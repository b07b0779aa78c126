"""Give pieces to actors of Ray Data, on one machine or on the nodes of a cluster.

What travels is small: the pieces' descriptions, and what became of them. Frames are read, and results are
written, where the actor is, so archive and results lie where all nodes see them. The engine is sent along,
once a node. Ray starts an actor anew that died, gives its pieces to another, and holds back what nobody can
take yet.
"""

from __future__ import annotations

import dataclasses
import io
import logging
import os
import pickle
import socket
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from edgeseg.batch.parts import Parts
from edgeseg.batch.piece import Piece
from edgeseg.batch.rows import EXTRA
from edgeseg.batch.settings import BatchSettings
from edgeseg.batch.work import Done, Worker
from edgeseg.errors import EdgesegError, EngineError, UsageError
from edgeseg.extras import require
from edgeseg.files import Claim

HERE = "local"  # in place of an address: a cluster of this machine alone, for this run
PIECE, DONE = "piece", "done"  # columns, pickled
IN_FLIGHT = 2  # pieces of an actor: the next is there when one is done
ANSWER_S = 5.0  # that a cluster has to answer in
UNPACK_S = 60.0  # that another actor of the node may take to unpack the engine


class OnRay:
    """Actors that segment pieces; a context manager, like `Crew`.

    Args:
        parts: whose folder all nodes see.
        workers: actors, of one core each; None stands for one a core of the cluster.
        address: of the cluster; HERE for one of this machine.

    Raises:
        MissingExtraError: if Ray is not installed.
        UsageError: if there is no cluster at that address.
        EngineError: if Ray does not start here.
    """

    def __init__(self, settings: BatchSettings, parts: Parts, workers: int | None, address: str) -> None:
        self._ray, self._data = require("ray", EXTRA), require("ray.data", EXTRA)
        self._settings = settings
        self._parts = parts
        _join(self._ray, address)
        self.workers = workers or max(1, int(self._ray.cluster_resources().get("CPU", 1)))

    def do(self, pieces: Sequence[Piece]) -> Iterator[tuple[Piece, Done]]:
        """Segment pieces, each once; gives them as they are done, in any order. Raises as `Crew.do`."""
        if not pieces:
            return
        self._data.DataContext.get_current().enable_progress_bars = False  # whoever runs a batch shows one
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        rows = [{PIECE: pickle.dumps(piece)} for piece in pieces]
        engine = self._ray.put(_packed(self._settings.engine))
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
        packed = require("ray", EXTRA).get(self._engine)
        here = _unpacked(packed, self._parts.digest)
        return Worker(dataclasses.replace(self._settings, engine=here), self._parts)


def _join(ray: Any, address: str) -> None:
    here = address == HERE
    try:
        host, _, port = address.rpartition(":")
        if port.isdecimal() and "//" not in host:  # Ray itself tries for minutes
            socket.create_connection((host, int(port)), ANSWER_S).close()
        ray.init(
            address=HERE if here else address,
            include_dashboard=False if here else None,
            log_to_driver=False,
            logging_level="ERROR",
        )
    except Exception as error:  # Ray raises bare ones, too
        if here:
            raise EngineError(
                f"Ray does not start on this machine ({str(error).splitlines()[0]}); try again when it is "
                "less busy, or leave out --ray"
            ) from error
        raise UsageError(
            f"there is no Ray cluster at {address!r} ({str(error).splitlines()[0]}); start one with "
            f"`ray start --head`, or give --ray {HERE}"
        ) from error


def _packed(folder: Path) -> bytes:
    """Put the files of an engine into one."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for path in sorted(folder.iterdir()):
            archive.write(path, path.name)
    return data.getvalue()


def _unpacked(packed: bytes, digest: str) -> Path:
    """Put an engine into a folder of this node, once for all its actors; opening it compares its hashes."""
    folder = Path(tempfile.gettempdir()) / f"edgeseg-batch-{os.getuid()}" / digest
    folder.parent.mkdir(mode=0o700, exist_ok=True)
    if folder.parent.stat().st_uid != os.getuid():
        raise EngineError(f"{folder.parent} is another user's; remove it, or set TMPDIR on this node")
    with Claim(folder, EngineError, wait_s=UNPACK_S) as claim:
        if not folder.exists():
            staged = claim.staging()
            with zipfile.ZipFile(io.BytesIO(packed)) as archive:
                archive.extractall(staged)
            claim.put(staged)
    return folder
