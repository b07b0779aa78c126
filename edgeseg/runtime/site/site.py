"""Run what a site's settings ask for, and change it while it runs."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType

from edgeseg.runtime.engine import Engine
from edgeseg.runtime.events.outputs import EventOutputs
from edgeseg.runtime.events.sink import ZoneSink
from edgeseg.runtime.filters import make_filters
from edgeseg.runtime.profiling.memory import parse_memory
from edgeseg.runtime.segmenter import Segmenter
from edgeseg.runtime.serve.app import Served
from edgeseg.runtime.serve.live import LiveSink, check_shown
from edgeseg.runtime.serve.server import Server
from edgeseg.runtime.settings import SiteSettings, StreamSettings
from edgeseg.runtime.sinks import check_outputs, open_sink
from edgeseg.runtime.sinks.base import Sink
from edgeseg.runtime.site.environment import Environment
from edgeseg.runtime.site.late_sinks import LateSink, Once
from edgeseg.runtime.site.memory import check_engine
from edgeseg.runtime.site.names import with_names
from edgeseg.runtime.site.parts import amount, segmenter_of
from edgeseg.runtime.site.places import Elsewhere, refuse_images
from edgeseg.runtime.site.plan import Plan, plan
from edgeseg.runtime.sources.base import Source
from edgeseg.runtime.sources.options import split_options
from edgeseg.runtime.status import StreamStatus
from edgeseg.runtime.streams.stream import Stream
from edgeseg.runtime.streams.streams import Streams
from edgeseg.runtime.streams.switching import why_not


class Running:
    """A stream of a site, and what it was made of.

    Attributes:
        settings: that it follows.
        stream: that runs.
        sinks: its own.
    """

    def __init__(self, settings: StreamSettings, stream: Stream, sinks: Sequence[Sink]) -> None:
        self.settings = settings
        self.stream = stream
        self.sinks = tuple(sinks)
        self._started_s = time.monotonic()

    @property
    def seconds(self) -> float:
        """Since it was made."""
        return time.monotonic() - self._started_s


class Site:
    """An engine and the streams that share it; a context manager.

    One thread calls it, but for `status` and `computing_s`, which any may ask for.

    Args:
        settings: that it follows.
        environment: has the values for `${NAME}`.
        frames: each stream stops after so many results; None for never.
        more_sinks: makes further sinks for the stream of a name.

    Attributes:
        settings: that it follows now.
        alive: what /healthz says; for whoever watches the site's progress to set.

    Raises:
        EngineError: as `Engine.open`.
        UsageError: if what is asked of a stream does not fit the engine, or its source.
    """

    def __init__(
        self,
        settings: SiteSettings,
        *,
        environment: Environment | None = None,
        frames: int | None = None,
        more_sinks: Callable[[str], Sequence[Sink]] = lambda _: (),
    ) -> None:
        self.settings = with_names(settings)
        self._environment = environment or Environment()
        self._frames = frames
        self._more_sinks = more_sinks
        self._events = EventOutputs()
        self._engine = self._open_engine(self.settings)
        self._streams = Streams(self._engine)
        self._running: dict[str, Running] = {}
        self._written: set[str] = set()  # outputs that streams have opened, those before a reload included
        self.alive = True
        self._served = Served(self._engine.spec, self.status, self._views, lambda: self.alive)
        self._server: Server | None = None

    @property
    def engine(self) -> Engine:
        """That all streams share."""
        return self._engine

    @property
    def running(self) -> tuple[Running, ...]:
        """The streams, in the order in which they were started."""
        return tuple(self._running.values())

    @property
    def computing_s(self) -> float:
        """How long the engine has been at the same frames; 0 while it has none."""
        return self._streams.computing_s

    def status(self) -> tuple[StreamStatus, ...]:
        """Say how each stream is doing, without what the environment holds."""
        return tuple(map(self._shown, self._streams.status()))

    def shown(self, text: str) -> str:
        """Put `${NAME}` in the place of what the environment holds."""
        return self._environment.hide(text)

    def write_beside(self, outputs: Iterable[str]) -> None:
        """Leave what others have written to these outputs, named as in the settings, and write beside it."""
        self._written.update(map(self._environment.fill, outputs))

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until all streams have ended; False if the time is over before."""
        return self._streams.wait(timeout_s)

    def reload(self, settings: SiteSettings) -> Plan:
        """Follow other settings. Streams whose own are the same run on, without a gap.

        So they do with another engine where its results are of the same kind: it is opened beside the one in
        use, and takes the frames from the next on. Else all streams are started anew.

        The page stays where it is. If something fails, all stays as it was.

        Raises:
            EngineError: if another engine cannot be opened.
            UsageError: if what is asked of a stream does not fit the engine.
        """
        wanted = dataclasses.replace(with_names(settings), serve=self.settings.serve)
        todo = plan(self.settings, with_names(settings))
        engine = self._open_engine(wanted) if todo.engine else self._engine
        fits = not why_not(self._engine.spec, engine.spec)
        todo = plan(self.settings, with_names(settings), fits=fits)
        try:
            segmenters = self._segmenters(wanted, todo.kept, engine)
            made = self._make_all(wanted, (*todo.restarted, *todo.added), engine)
        except BaseException:
            if todo.engine:
                engine.close()
            raise
        if todo.engine and not fits:
            self._streams.close()
            self._streams = Streams(engine)
            self._streams.__enter__()
            self._running = {}
        else:
            leaving = (*todo.removed, *todo.restarted)
            self._streams.remove(*leaving)
            for name in leaving:
                del self._running[name]
            if todo.engine:
                self._streams.replace(engine, segmenters)
        if todo.engine:
            self._engine.close()
            self._engine, self._served.spec = engine, engine.spec
        self._start_all(made)
        self.settings = wanted
        return todo

    def close(self) -> None:
        """End all streams within 2 s, finish what sinks wrote, and free the engine."""
        if self._server is not None:
            self._server.stop()  # beside the streams
        self._streams.close()
        if self._server is not None:
            self._server.close()
        self._events.close()
        self._engine.close()

    def __enter__(self) -> Site:
        try:
            self._streams.__enter__()
            names = tuple(stream.name for stream in self.settings.streams)
            self._start_all(self._make_all(self.settings, names, self._engine))
            if (serve := self.settings.serve) is not None:
                token_file = None if serve.token_file is None else self._environment.fill(serve.token_file)
                server = Server(
                    self._served,
                    host=serve.host,
                    port=serve.port,
                    token_file=token_file,
                    hosts=serve.hosts,
                )
                self._server = server.__enter__()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _views(self) -> dict[str, LiveSink]:
        """Give what keeps the newest results, by stream."""
        found = ((one.settings.name, sink) for one in tuple(self._running.values()) for sink in one.sinks)
        return {name: sink for name, sink in found if isinstance(sink, LiveSink)}

    def _open_engine(self, settings: SiteSettings) -> Engine:
        most_bytes = None if settings.max_memory is None else parse_memory(settings.max_memory)
        engine = Engine.open(settings.engine, device=settings.device, threads=settings.threads)
        if most_bytes is not None:
            try:
                check_engine(engine, most_bytes)
            except BaseException:
                engine.close()
                raise
        return engine

    def _segmenters(
        self, settings: SiteSettings, names: Sequence[str], engine: Engine
    ) -> dict[str, Segmenter]:
        """Make those of streams that go on with another engine; none where the engine is the same."""
        if engine is self._engine:
            return {}
        return {one.name: segmenter_of(one, engine) for one in settings.streams if one.name in names}

    def _make_all(self, settings: SiteSettings, names: Sequence[str], engine: Engine) -> list[Running]:
        """Make streams, none of which runs yet."""
        made: list[Running] = []
        try:
            for stream in settings.streams:
                if stream.name in names:
                    made.append(self._make(stream, engine, settings))  # noqa: PERF401 - may fail
        except BaseException:
            for running in made:
                for sink in running.sinks:
                    sink.close()
            raise
        return made

    def _start_all(self, made: Sequence[Running]) -> None:
        for running in made:
            self._running[running.settings.name] = running
            self._streams.add(running.stream)

    def _make(self, settings: StreamSettings, engine: Engine, site: SiteSettings) -> Running:
        fill = self._environment.fill
        rotate, keep = amount(site.rotate, "rotate"), amount(site.keep, "keep")
        segmenter = segmenter_of(settings, engine)
        filters = make_filters(settings, engine.spec)
        source_text, texts = fill(settings.source), [fill(text) for text in settings.outputs]
        check_outputs(texts, Elsewhere(live=False), engine=Path(site.engine))  # the rest with the source open
        if self._frames != 1:
            refuse_images(texts, source_text, engine.spec.input)
        sources = [fill(each.source) for each in site.streams]
        spared = [Path(text) for each in sources for text in (each, split_options(each)[0])]

        def source() -> Source:
            opened = running.stream.feed.source
            assert opened is not None  # sinks are opened at the first result
            return opened

        look = Once(lambda: check_outputs(texts, source(), engine=Path(site.engine)))

        def opened(text: str) -> Sink:
            look()
            sink = open_sink(
                text,
                engine.spec,
                source(),
                rotate=rotate,
                keep=keep,
                spared=spared,
                beside=text in self._written,
            )
            self._written.add(text)
            return sink

        sinks: list[Sink] = [LateSink(self.shown(text), partial(opened, text)) for text in texts]
        sinks += self._more_sinks(settings.name)
        if site.serve is not None:
            check_shown(engine.spec.input)
            sinks.append(LiveSink())
        if settings.zones:
            sinks.append(ZoneSink(settings.name, settings.zones, engine.spec, self._events, fill=fill))
        stream = Stream(
            settings.name,
            source_text,
            segmenter,
            sinks,
            filters=filters,
            policy=settings.policy,
            stall_timeout_s=settings.stall_timeout_s,
            frames=self._frames,
            budget_ms=settings.budget_ms,
        )
        running = Running(settings, stream, sinks)
        return running

    def _shown(self, status: StreamStatus) -> StreamStatus:
        source = status.source
        return dataclasses.replace(
            status,
            source=dataclasses.replace(
                source,
                address=self.shown(source.address),
                detail=self.shown(source.detail),
                notes=tuple(map(self.shown, source.notes)),
            ),
            sinks=tuple(
                dataclasses.replace(sink, name=self.shown(sink.name), error=self.shown(sink.error))
                for sink in status.sinks
            ),
            error=self.shown(status.error),
        )
