"""The door of a server: HTTP of the KServe protocol, version 2, before the replicas that Ray Serve runs."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from edgeseg.cluster.joining import EXTRA
from edgeseg.errors import UsageError
from edgeseg.extras import require
from edgeseg.limits import refuse_above
from edgeseg.serving.codings import PLAIN
from edgeseg.serving.replica import OK, Answer, Body, told
from edgeseg.serving.v2 import HEADER_LENGTH, VERSION, metadata
from edgeseg.spec import ModelSpec

NETWORK = "edgeseg-network"  # the application of Ray's whose replicas compute
LOOK_S = 1.0  # between looks at whether the network's replicas are well
TRIES = 5  # replicas that may end while they have a request
NOT_FOUND, TOO_LARGE, UNAVAILABLE = 404, 413, 503
OVERLOADED = "all replicas are busy and their queue is full; send it again later"
NONE_RUNS = "no replica of the network runs"


class Door:
    """Speaks the KServe protocol, version 2, over HTTP, and asks replicas for what takes the network.

    Args:
        network: Ray's handle of the replicas.
    """

    def __init__(self, name: str, spec: ModelSpec, network: Any) -> None:
        self._name = name
        self._metadata = metadata(name, spec)
        self._network = network
        self._looked_s = 0.0
        self._well = True

    async def __call__(self, request: Any) -> Any:
        """Answer a request (of starlette)."""
        from starlette.responses import Response

        answer = await self._answer(request)
        return Response(answer.data, answer.status, answer.headers)

    async def _answer(self, request: Any) -> Answer:
        parts = [part for part in request.url.path.split("/") if part]
        match request.method, parts:
            case "GET", ["v2"]:
                return told(
                    200, {"name": "edgeseg", "version": VERSION, "extensions": ["binary_tensor_data"]}
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
        try:
            data = await _data_of(request)
        except UsageError as error:
            return told(TOO_LARGE, {"error": str(error)})
        asked = request.headers.get
        coding, accepted = asked("content-encoding", PLAIN), asked("accept-encoding", "")
        body = Body(data, asked(HEADER_LENGTH), coding, accepted)
        for _ in range(TRIES):
            answer = await self._tried(body)
            if answer is not None:
                return answer
        return told(UNAVAILABLE, {"error": NONE_RUNS})

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
            self._well = await asyncio.to_thread(_is_well)
        return told(OK if self._well else UNAVAILABLE, {"name": self._name, "ready": self._well})


async def _data_of(request: Any) -> bytes:
    """Read the body of a request (of starlette), whose header may not say how large it is.

    Raises:
        UsageError: if it has more bytes than the limit.
    """
    refuse_above("bytes", int(request.headers.get("content-length") or 0), "the request", UsageError)
    data = bytearray()
    async for part in request.stream():
        data += part
        refuse_above("bytes", len(data), "the request", UsageError)
    return bytes(data)


def _is_well() -> bool:
    """Whether a replica of the network runs."""
    applications = require("ray.serve", EXTRA).status().applications
    network = applications[NETWORK].deployments["network"]
    return bool(network.replica_states.get("RUNNING", 0))
