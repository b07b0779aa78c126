"""Answer requests: the page, the API with its description, metrics and health."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib import resources
from typing import Any, TypeVar

from edgeseg import __version__
from edgeseg.extras import require
from edgeseg.runtime.serve.live import LiveSink, Shot
from edgeseg.runtime.serve.metrics import exposition
from edgeseg.runtime.serve.openapi import document
from edgeseg.runtime.serve.recent import Recent
from edgeseg.runtime.serve.values import site_value, stream_value
from edgeseg.runtime.status import StreamStatus
from edgeseg.spec import ModelSpec

ASSETS = {"page.css": "text/css", "page.js": "text/javascript", "picture.js": "text/javascript"}
LONGEST_WAIT_S = 10.0  # of a client for the next result
LOOK_S = 0.02  # between looks whether it is there
STATUS_S = 0.5  # for which one status does for all clients: percentiles of many times are not free
NONE_NOW = 204

Encoded = TypeVar("Encoded")
News = TypeVar("News")  # something that is false where there is none


class Served:
    """What is served: streams that come and go.

    Args:
        status: gives the status of all streams; may be called from any thread, and is asked once in STATUS_S.
        views: gives the sinks that keep results, by stream.
        alive: whether the engine makes progress, for /healthz.
    """

    def __init__(
        self,
        spec: ModelSpec,
        status: Callable[[], Sequence[StreamStatus]],
        views: Callable[[], Mapping[str, LiveSink]],
        alive: Callable[[], bool] = lambda: True,
    ) -> None:
        self.spec = spec
        self.status = Recent(status, STATUS_S)
        self.views = views
        self.alive = alive
        self.closing = False
        self.encoder = ThreadPoolExecutor(1, "edgeseg-page-encoder")  # takes from streams one core at most


def application(site: Served) -> Any:
    """Make the ASGI application.

    Raises:
        MissingExtraError: if starlette is not installed.
    """
    route = require("starlette.routing", "serve").Route
    answers = _Answers(site)
    return require("starlette.applications", "serve").Starlette(
        routes=[
            route("/", answers.page),
            route("/assets/{name}", answers.asset),
            route("/healthz", answers.health),
            route("/metrics", answers.metrics),
            route("/api/openapi.json", answers.openapi),
            route("/api/site", answers.site),
            route("/api/results", answers.results),
            route("/api/streams", answers.streams),
            route("/api/streams/{name}", answers.stream),
            route("/api/streams/{name}/result", answers.result),
            route("/api/streams/{name}/picture.jpg", answers.picture),
            route("/api/streams/{name}/labels.png", answers.labels),
            route("/api/streams/{name}/labels.zlib", answers.label_bytes),
        ]
    )


class _Answers:
    """One method a route."""

    def __init__(self, site: Served) -> None:
        self._site = site
        folder = resources.files("edgeseg.runtime.serve") / "assets"
        self._page = (folder / "page.html").read_bytes()
        self._assets = {name: (folder / name).read_bytes() for name in ASSETS}
        responses = require("starlette.responses", "serve")
        self._response, self._json = responses.Response, responses.JSONResponse
        self._in_thread = require("starlette.concurrency", "serve").run_in_threadpool

    async def page(self, request: Any) -> Any:
        return self._response(self._page, media_type="text/html")

    async def asset(self, request: Any) -> Any:
        name = request.path_params["name"]
        if name not in self._assets:
            return self._absent(f"there is no {name!r}")
        return self._response(self._assets[name], media_type=ASSETS[name])

    async def health(self, request: Any) -> Any:
        alive = self._site.alive()
        return self._json(
            {"status": "ok" if alive else "stuck", "version": __version__}, 200 if alive else 503
        )

    async def metrics(self, request: Any) -> Any:
        text, kind = await self._in_thread(exposition, self._site.status)
        return self._response(text, headers={"content-type": kind})

    async def openapi(self, request: Any) -> Any:
        return self._json(document())

    async def site(self, request: Any) -> Any:
        return self._json(site_value(self._site.spec, list(self._site.views())))

    async def streams(self, request: Any) -> Any:
        status = await self._in_thread(self._site.status)
        return self._json([stream_value(stream) for stream in status])

    async def stream(self, request: Any) -> Any:
        name = request.path_params["name"]
        status = await self._in_thread(self._site.status)
        found = [stream for stream in status if stream.name == name]
        return self._json(stream_value(found[0])) if found else self._absent(f"there is no stream {name!r}")

    async def result(self, request: Any) -> Any:
        view = self._site.views().get(request.path_params["name"])
        if view is None:
            return self._absent(f"there is no stream {request.path_params['name']!r}")
        known = _number(request.query_params.get("after", "0"))
        shot = await self._wait(lambda: view.newest(known))
        if shot is None:
            return self._response(status_code=NONE_NOW)
        return self._json(await self._encode(shot.summary))

    async def picture(self, request: Any) -> Any:
        return await self._encoded(request, Shot.jpeg, "image/jpeg")

    async def labels(self, request: Any) -> Any:
        return await self._encoded(request, Shot.label_map, "image/png")

    async def label_bytes(self, request: Any) -> Any:
        return await self._encoded(request, Shot.label_bytes, "application/zlib")

    async def results(self, request: Any) -> Any:
        known = {name: _number(text) for name, text in request.query_params.items()}

        def news() -> dict[str, Shot]:
            newest = {name: view.newest(known.get(name, 0)) for name, view in self._site.views().items()}
            return {name: shot for name, shot in newest.items() if shot is not None}

        shots = await self._wait(news)
        if not shots:
            return self._response(status_code=NONE_NOW)
        return self._json(await self._encode(lambda: {name: shot.summary() for name, shot in shots.items()}))

    async def _wait(self, news: Callable[[], News]) -> News:
        """Wait until there is something new, for as long as a client may."""
        deadline_s = time.monotonic() + LONGEST_WAIT_S
        while not (found := news()):
            if self._site.closing or time.monotonic() > deadline_s:
                break
            await asyncio.sleep(LOOK_S)
        return found

    async def _encoded(self, request: Any, encode: Callable[[Shot], bytes], kind: str) -> Any:
        view = self._site.views().get(request.path_params["name"])
        number = _number(request.query_params.get("number", "0"))
        shot = None if view is None else view.numbered(number) if number else view.newest()
        if shot is None:
            return self._absent("there is no such picture, or it is gone; ask for a newer result")
        return self._response(await self._encode(partial(encode, shot)), media_type=kind)

    async def _encode(self, work: Callable[[], Encoded]) -> Encoded:
        return await asyncio.get_running_loop().run_in_executor(self._site.encoder, work)

    def _absent(self, text: str) -> Any:
        return self._json({"error": text}, 404)


def _number(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) < 16 else 0  # noqa: PLR2004 - digits of any real count
