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
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from edgeseg.cluster.joining import EXTRA, HERE, join
from edgeseg.cluster.placed import Placed, Sent, sent
from edgeseg.errors import EdgesegError, EngineError, UsageError
from edgeseg.extras import require
from edgeseg.hosts import with_port
from edgeseg.limits import Limits, adopt, current
from edgeseg.manifest import read_manifest
from edgeseg.serving.door import NETWORK, REPLICAS, Door, running_replicas
from edgeseg.serving.fitting import Needs, needs_of, refuse_unfit, telling
from edgeseg.serving.names import check_name
from edgeseg.serving.replica import Answer, Body, EngineSettings, Replica
from edgeseg.spec import ModelSpec

_log = logging.getLogger(__name__)
DOOR = "edgeseg-door"  # the application of Ray's that ends before NETWORK
FILL_S = 0.002  # that a request waits for others of its batch
DRAIN_S = 30.0  # that a replica has to end what it has begun
STARTS = 2  # that a replica may fail at: what does not open twice will not
DOORS = 2  # processes that speak HTTP: one that dies takes what it had along, the other goes on
DOORS_REQUESTS = 10_000  # of each at once: they wait there for replicas
USE = "serve"  # of engines on nodes
QUIET = {"enable_access_log": False, "log_level": "ERROR"}  # of Serve's own log
MARK = "edgeseg-serve"  # the actor of Ray's that only one server of a cluster has


@dataclass(frozen=True)
class ServerSettings:
    """What is served, where, and by how many.

    Attributes:
        engine: what each replica opens.
        name: by which clients call the model.
        host, port: of HTTP, on every node that has a replica.
        replicas: at least and at most so many; Ray chooses between by the requests that wait.
        queue: requests that may wait, beyond those that replicas have; each door has its part.

    Raises:
        UsageError: if no client could call the name.
    """

    engine: EngineSettings
    name: str
    host: str = "127.0.0.1"
    port: int = 8000
    replicas: tuple[int, int] = (1, 1)
    queue: int = 64

    def __post_init__(self) -> None:
        check_name(self.name)


class RayServer:
    """A server that runs until it is closed; a context manager.

    Args:
        address: of a Ray cluster; HERE for one of this machine, which ends with the server.
        tell: gets a line where replicas are long in coming.

    Raises:
        EngineError: if there is no engine, or replicas do not start.
        MissingExtraError: if Ray Serve is not installed.
        UsageError: if there is no cluster at that address, it has no room for the replicas, another server of
            edgeseg's serves there, or the port is taken.
    """

    def __init__(
        self, settings: ServerSettings, address: str = HERE, tell: Callable[[str], None] = _log.warning
    ) -> None:
        self.settings = settings
        manifest = read_manifest(settings.engine.engine, check_files=True)
        needs = needs_of(manifest, settings.engine.device, settings.engine.threads)
        if address == HERE:
            _refuse_taken(settings)
        self._ray, self._serve = require("ray", EXTRA), require("ray.serve", EXTRA)
        logging.getLogger("ray.serve").setLevel(logging.ERROR)
        join(self._ray, address)
        try:
            refuse_unfit(self._ray, needs, settings.replicas[0])
            self._mark = None if address == HERE else _marked(self._ray, settings.name)
        except BaseException:
            self._ray.shutdown()
            raise
        try:
            with telling(tell, self._ray, running_replicas, settings.replicas[0], needs):
                self._deploy(manifest.spec, needs, address)
        except BaseException as error:
            self.close()
            if isinstance(error, Exception) and not isinstance(error, EdgesegError):
                raise EngineError(
                    f"replicas of {settings.engine.engine} do not start: {_last_line(error)}"
                ) from error
            raise

    @property
    def address(self) -> str:
        """Where clients connect, HOST:PORT: what was asked, or where Serve listened before."""
        return with_port(self._http.host, self._http.port)

    def close(self) -> None:
        """Take no more requests, let those that have begun end, and stop; closing twice is allowed."""
        if self._ray.is_initialized():
            self._serve.delete(DOOR)  # returns when it has answered what it took
            self._serve.delete(NETWORK)
            if self._mark is not None:
                self._ray.kill(self._mark)
            self._ray.shutdown()  # on a cluster of others Serve goes on: it may have more than this to serve

    def __enter__(self) -> RayServer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _deploy(self, spec: ModelSpec, needs: Needs, address: str) -> None:
        """Have Serve listen, unless it does already, and run replicas, then doors before them."""
        settings = self.settings
        http = {"host": settings.host, "port": settings.port}
        self._serve.start(proxy_location="EveryNode", http_options=http, logging_config=QUIET)
        self._http = require("ray.serve.context", EXTRA)._get_global_client().http_config
        engine = None if address == HERE else sent(self._ray, settings.engine.engine)
        network = self._network(spec.input.batch, needs).bind(
            settings.name, settings.engine, engine, current()
        )
        replicas = self._serve.run(network, name=NETWORK, route_prefix=None, logging_config=QUIET)
        door = self._door().bind(settings.name, spec, replicas, current())
        self._serve.run(door, name=DOOR, route_prefix="/", logging_config=QUIET)

    def _network(self, batch: int, needs: Needs) -> Any:
        """Say how Serve is to run replicas whose requests fill batches of so many."""
        least, most = self.settings.replicas
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
        return self._serve.deployment(
            batching(self._serve, batch),
            name=REPLICAS,
            ray_actor_options={"num_cpus": needs.cores, "num_gpus": needs.gpus},
            max_ongoing_requests=2 * batch,  # the next batch is there when one is done
            max_queued_requests=-(-self.settings.queue // DOORS),
            graceful_shutdown_timeout_s=DRAIN_S,
            max_constructor_retry_count=STARTS,
            **scaled,
        )

    def _door(self) -> Any:
        """Say how Serve is to run doors."""
        return self._serve.deployment(
            Door,
            name="door",
            num_replicas=DOORS,
            ray_actor_options={"num_cpus": 0},
            max_ongoing_requests=DOORS_REQUESTS,
            graceful_shutdown_timeout_s=DRAIN_S,
        )


def batching(serve: Any, batch: int) -> type[Any]:
    """Give the class of replicas whose requests fill batches of so many."""

    class Network:
        def __init__(self, name: str, settings: EngineSettings, engine: Sent | None, limits: Limits) -> None:
            adopt(limits)
            self._placed = None
            if engine is not None:
                self._placed = Placed(engine, USE)
                settings = dataclasses.replace(settings, engine=self._placed.folder)
            self._replica = Replica(name, settings)

        def check_health(self) -> None:
            """Let Ray start this replica anew if its engine has failed again and again."""
            self._replica.check_health()

        @serve.batch(  # type: ignore[untyped-decorator]
            max_batch_size=batch, batch_wait_timeout_s=FILL_S if batch > 1 else 0.0
        )
        async def answer(self, bodies: list[Body]) -> list[Answer]:
            return await asyncio.to_thread(self._replica.answer, bodies)

        def __del__(self) -> None:
            """Leave nothing on the node; Ray calls it when the replica has ended what it had begun."""
            if self._placed is not None:
                self._placed.close()

    return Network


class _Mark:
    """Lives as long as the server that made it, however that ends, and tells others its name."""

    def __init__(self, name: str) -> None:
        self._name = name

    def name(self) -> str:
        return self._name


def _marked(ray: Any, name: str) -> Any:
    """Say on a cluster of others that this server serves there. Raises UsageError if another does."""
    try:
        mark = ray.remote(_Mark).options(name=MARK, namespace=MARK, num_cpus=0).remote(name)
    except ValueError as error:
        other = ray.get(ray.get_actor(MARK, namespace=MARK).name.remote())
        raise UsageError(
            f"edgeseg serve serves {other} on this cluster already; end that first, or give --ray {HERE}"
        ) from error
    ray.get(mark.name.remote())
    return mark


def _refuse_taken(settings: ServerSettings) -> None:
    """Raise UsageError if another program has the port: Ray would try for long."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family) as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind((settings.host, settings.port))
        except OSError as error:
            at = with_port(settings.host, settings.port)
            raise UsageError(f"cannot serve at {at} ({error.strerror}); give another --at") from error


def _last_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[-1]
