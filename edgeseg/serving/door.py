"""The door of a server: HTTP of the KServe protocol, version 2, before the replicas that Ray Serve runs."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from edgeseg import __version__
from edgeseg.cluster.joining import EXTRA
from edgeseg.errors import UsageError
from edgeseg.extras import require
from edgeseg.limits import Limits, adopt, current, refuse_above
from edgeseg.serving.codings import PLAIN
from edgeseg.serving.replica import FAILED, OK, Answer, Body, refusal, told
from edgeseg.serving.together import told_as
from edgeseg.serving.v2 import HEADER_LENGTH, VERSION, metadata
from edgeseg.spec import ModelSpec

NETWORK, REPLICAS = "edgeseg-network", "network"  # the application of Ray's that computes, and its deployment
LOOK_S = 1.0  # between looks at whether the network's replicas are well
TRIES = 2  # of a request whose replica ended meanwhile: what ends two may be the request's own doing
HELD = 2  # times the limit of bytes that all requests of a door may take together
NOT_FOUND, TOO_LARGE, UNAVAILABLE = 404, 413, 503
OVERLOADED = "all replicas are busy and their queue is full; send it again later"
NONE_RUNS = "no replica of the network runs"
ENDED = f"{TRIES} replicas ended while they had this request; it is not tried again"


class Door:
    """Speaks the KServe protocol, version 2, over HTTP, and asks replicas for what takes the network.

    Args:
        network: Ray's handle of the replicas.
        limits: those of the server's command, which this process takes over.
    """

    def __init__(self, name: str, spec: ModelSpec, network: Any, limits: Limits) -> None:
        adopt(limits)
        self._name = name
        self._metadata = metadata(name, spec)
        self._network = network
        self._looked_s = 0.0
        self._well = True
        self._held = 0  # bytes of requests that are here

    async def __call__(self, request: Any) -> Any:
        """Answer a request (of starlette)."""
        from starlette.responses import Response

        try:
            answer = await self._answer(request)
        except Exception as error:
            answer = refusal(told_as(error))
        return Response(answer.data, answer.status, answer.headers)

    async def _answer(self, request: Any) -> Answer:
        parts = [part for part in request.url.path.split("/") if part]
        match "GET" if request.method == "HEAD" else request.method, parts:  # whose body the server keeps
            case "GET", ["v2"]:
                return told(
                    OK, {"name": "edgeseg", "version": __version__, "extensions": ["binary_tensor_data"]}
                )
            case "GET", ["v2", "health", "live"]:
                return told(OK, {"live": True})
            case "GET", ["v2", "health", "ready"]:
                return await self._readiness()
            case method, ["v2", "models", name, *rest] if name == self._name:
                if rest[:1] == ["versions"] and rest[1:2] == [VERSION]:
                    rest = rest[2:]
                if (method, rest) == ("GET", []):
                    return told(OK, self._metadata)
                if (method, rest) == ("GET", ["ready"]):
                    return await self._readiness()
                if (method, rest) == ("POST", ["infer"]):
                    return await self._inferred(request)
            case _, ["v2", "models", name, *_]:
                return told(NOT_FOUND, {"error": f"there is no model {name!r}; there is {self._name}"})
        return told(NOT_FOUND, {"error": f"{request.method} {request.url.path} is not served"})

    async def _inferred(self, request: Any) -> Answer:
        """Read a request, whose header may not say how large it is, and let a replica answer it."""
        header = request.headers.get
        data = bytearray()
        try:
            declared = int(header("content-length") or 0)
            refuse_above("bytes", declared, "the request", UsageError)
            async for part in request.stream():
                data += part
                self._held += len(part)
                refuse_above("bytes", len(data), "the request", UsageError)
                if self._held > HELD * current().bytes:
                    return told(UNAVAILABLE, {"error": OVERLOADED})
            coding, accepted = header("content-encoding", PLAIN), header("accept-encoding", "")
            return await self._computed(Body(data, header(HEADER_LENGTH), coding, accepted))
        except UsageError as error:
            return told(TOO_LARGE, {"error": str(error)})
        finally:
            self._held -= len(data)

    async def _computed(self, body: Body) -> Answer:
        for _ in range(TRIES):
            answer = await self._tried(body)
            if answer is not None:
                return answer
        return told(FAILED, {"error": ENDED})

    async def _tried(self, body: Body) -> Answer | None:
        """Ask one replica; None if it ended while it had the request: another computes the same."""
        ray, exceptions = require("ray.exceptions", EXTRA), require("ray.serve.exceptions", EXTRA)
        try:
            answer: Answer = await self._network.answer.remote(body)
        except exceptions.BackPressureError:
            return told(UNAVAILABLE, {"error": OVERLOADED})
        except exceptions.DeploymentUnavailableError:
            return told(UNAVAILABLE, {"error": NONE_RUNS})
        except ray.RayActorError:
            return None
        return answer

    async def _readiness(self) -> Answer:
        """Say whether the network's replicas are well; Ray is asked every LOOK_S."""
        now_s = time.monotonic()
        if now_s - self._looked_s > LOOK_S:
            self._looked_s = now_s
            self._well = await asyncio.to_thread(running_replicas) > 0
        return told(OK if self._well else UNAVAILABLE, {"name": self._name, "ready": self._well})


def running_replicas() -> int:
    """Count the replicas of the network that run."""
    applications = require("ray.serve", EXTRA).status().applications
    network = applications[NETWORK].deployments.get(REPLICAS) if NETWORK in applications else None
    return 0 if network is None else int(network.replica_states.get("RUNNING", 0))
