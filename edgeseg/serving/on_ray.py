"""Serve an engine to clients by Ray Serve, which starts replicas, balances, scales, drains and starts again.

Two applications: `door` speaks HTTP and answers for health and metadata; `network` has an engine in each
replica, whose batches are filled by requests that come together. What the replicas cannot take yet waits in a
queue of bounded length; what does not fit there is refused at once, by a status of 503.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, NamedTuple

from edgeseg.cluster.joining import EXTRA, HERE, join
from edgeseg.cluster.sent import digest_of, packed, unpacked
from edgeseg.errors import EngineError, UsageError
from edgeseg.extras import require
from edgeseg.manifest import read_manifest
from edgeseg.serving.door import NETWORK, Door
from edgeseg.serving.replica import Answer, Body, EngineSettings, Replica
from edgeseg.spec import ModelSpec

DOOR = "edgeseg-door"  # the application of Ray's that ends before NETWORK
FILL_S = 0.002  # that a request waits for others of its batch
DRAIN_S = 30.0  # that a replica has to end what it has begun
STARTS = 2  # that a replica may fail at: what does not open twice will not
DOORS_REQUESTS = 10_000  # at once: they wait there for replicas


@dataclass(frozen=True)
class ServerSettings:
    """What is served, where, and by how many.

    Attributes:
        engine: what each replica opens.
        name: by which clients call the model.
        host, port: of HTTP, on every node that has a replica.
        replicas: at least and at most so many; Ray chooses between by the requests that wait.
        queue: requests that may wait at each door, beyond those that replicas have.
        cores: of each replica, as Ray counts them.
        gpus: of each replica.
    """

    engine: EngineSettings
    name: str
    host: str = "127.0.0.1"
    port: int = 8000
    replicas: tuple[int, int] = (1, 1)
    queue: int = 64
    cores: float = 1.0
    gpus: float = 0.0


class Sent(NamedTuple):
    """An engine for other nodes: its digest, and Ray's reference to the packed folder, in a list."""

    digest: str
    reference: Sequence[Any]


class RayServer:
    """A server that runs until it is closed; a context manager.

    Args:
        address: of a Ray cluster; HERE for one of this machine, which ends with the server.

    Raises:
        EngineError: if there is no engine, or replicas do not start.
        MissingExtraError: if Ray Serve is not installed.
        UsageError: if there is no cluster at that address.
    """

    def __init__(self, settings: ServerSettings, address: str = HERE) -> None:
        self.settings = settings
        spec = read_manifest(settings.engine.engine, check_files=True).spec
        if address == HERE:
            _refuse_taken(settings)
        self._ray, self._serve = require("ray", EXTRA), require("ray.serve", EXTRA)
        logging.getLogger("ray.serve").setLevel(logging.ERROR)
        join(self._ray, address)
        try:
            self._deploy(spec, address)
        except BaseException as error:
            self.close()
            if isinstance(error, RuntimeError):
                raise EngineError(
                    f"replicas of {settings.engine.engine} do not start: {_last_line(error)}"
                ) from error
            raise

    @property
    def address(self) -> str:
        """Where clients connect, HOST:PORT."""
        return f"{self.settings.host}:{self.settings.port}"

    def close(self) -> None:
        """Take no more requests, let those that have begun end, and stop; closing twice is allowed."""
        if self._ray.is_initialized():
            self._serve.delete(DOOR)  # returns when it has answered what it took
            self._serve.delete(NETWORK)
            self._ray.shutdown()  # on a cluster of others Serve goes on: it may have more than this to serve

    def __enter__(self) -> RayServer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _sent(self) -> Sent:
        folder = self.settings.engine.engine
        return Sent(digest_of(folder), [self._ray.put(packed(folder))])

    def _deploy(self, spec: ModelSpec, address: str) -> None:
        serve, settings = self._serve, self.settings
        quiet = {"enable_access_log": False, "log_level": "ERROR"}
        http = {"host": settings.host, "port": settings.port}
        serve.start(proxy_location="EveryNode", http_options=http, logging_config=quiet)
        least, most = settings.replicas
        batch = spec.input.batch
        scaled: dict[str, Any] = (
            {"num_replicas": least}
            if least == most
            else {
                "autoscaling_config": {
                    "min_replicas": least,
                    "max_replicas": most,
                    "target_ongoing_requests": batch,
                }
            }
        )
        network = serve.deployment(
            batching(serve, batch),
            name="network",
            ray_actor_options={"num_cpus": settings.cores, "num_gpus": settings.gpus},
            max_ongoing_requests=2 * batch,  # the next batch is there when one is done
            max_queued_requests=settings.queue,
            graceful_shutdown_timeout_s=DRAIN_S,
            max_constructor_retry_count=STARTS,
            **scaled,
        ).bind(settings.name, settings.engine, None if address == HERE else self._sent())
        replicas = serve.run(network, name=NETWORK, route_prefix=None, logging_config=quiet)
        door = serve.deployment(
            Door,
            name="door",
            ray_actor_options={"num_cpus": 0},
            max_ongoing_requests=DOORS_REQUESTS,
            graceful_shutdown_timeout_s=DRAIN_S,
        ).bind(settings.name, spec, replicas)
        serve.run(door, name=DOOR, route_prefix="/", logging_config=quiet)


def batching(serve: Any, batch: int) -> type[Any]:
    """Give the class of replicas whose requests fill batches of so many."""

    class Network:
        def __init__(self, name: str, settings: EngineSettings, sent: Sent | None) -> None:
            self._replica = Replica(name, settings if sent is None else _here(settings, sent))

        @serve.batch(  # type: ignore[untyped-decorator]
            max_batch_size=batch, batch_wait_timeout_s=FILL_S if batch > 1 else 0.0
        )
        async def answer(self, bodies: list[Body]) -> list[Answer]:
            return await asyncio.to_thread(self._replica.answer, bodies)

    return Network


def _here(settings: EngineSettings, sent: Sent) -> EngineSettings:
    """Put an engine that was sent into a folder of this node."""
    (reference,) = sent.reference
    folder = unpacked(require("ray", EXTRA).get(reference), sent.digest, "serve")
    return dataclasses.replace(settings, engine=folder)


def _refuse_taken(settings: ServerSettings) -> None:
    """Raise UsageError if another program has the port: Ray would try for long."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family) as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind((settings.host, settings.port))
        except OSError as error:
            raise UsageError(
                f"cannot serve at {settings.host}:{settings.port} ({error.strerror}); give another --at"
            ) from error


def _last_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[-1]
