"""Many streams share one engine: batched where it takes batches, in turn otherwise, with fair shares."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType

from edgeseg.errors import EngineError, UsageError
from edgeseg.runtime.engine import Engine
from edgeseg.runtime.segmenter import Segmenter
from edgeseg.runtime.status import StreamStatus
from edgeseg.runtime.streams.batch import Batch
from edgeseg.runtime.streams.scheduler import Scheduler
from edgeseg.runtime.streams.stream import Stream
from edgeseg.runtime.streams.switching import Switch

BATCHES = 2  # one in the engine, one prepared
CLOSE_S = 1.9  # for all threads together, so that a program ends within 2 s
REMOVE_S = 2.0  # for a stream's own frames and sinks, before it is cut short


class Streams:
    """Streams on one engine; a context manager.

    One thread takes frames and prepares the next batch while another one has the engine compute this one.
    Whose frames these are, and when they are taken, is the Scheduler's choice. Nobody waits for a camera.

    One batch is in the engine, one waits; behind it one frame of each stream is finished and two wait at
    most. Closing stops everything within 2 s, but for an inference, which cannot be cut short.

    Args:
        engine: stays open; other threads may use it as well.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._switch: Switch | None = None  # that is to be made before the next frame
        self._leaving = 0  # batches of the engine before that are not computed
        self._changed = threading.Condition()
        self._streams: dict[str, Stream] = {}
        self._news = 0  # counts what could change the choice
        self._closed = False
        self._error: Exception | None = None  # why nothing can be computed any more
        self._scheduler = Scheduler(engine.batch_shape[0])
        self._free: queue.SimpleQueue[Batch | None] = queue.SimpleQueue()
        self._prepared: queue.SimpleQueue[Batch | None] = queue.SimpleQueue()
        for _ in range(BATCHES):
            self._free.put(Batch.of(engine))
        self._pending = 0  # batches that were prepared and are not computed
        self._threads = [
            threading.Thread(target=self._guard, args=(work,), name=name, daemon=True)
            for name, work in (("edgeseg-prepare", self._prepare_all), ("edgeseg-infer", self._infer_all))
        ]

    def add(self, stream: Stream) -> None:
        """Take in a stream, and start it; others go on.

        Raises:
            UsageError: if there is one of that name, or its segmenter is on another engine.
        """
        if stream.segmenter.engine is not self._engine:
            raise UsageError(f"stream {stream.name} is on another engine; make its Segmenter with this one")
        with self._changed:
            if stream.name in self._streams:
                raise UsageError(f"there are two streams named {stream.name!r}; give each its own name")
            self._streams[stream.name] = stream
        stream.start(self.wake)
        if self._error is not None:
            stream.crash(self._error)
        self.wake()

    def remove(self, *names: str) -> None:
        """Finish what streams have begun, close their sinks, and forget them, all at once; others go on.

        What takes longer than REMOVE_S is cut short.

        Raises:
            UsageError: if there is none of a name.
        """
        with self._changed:
            streams = [self._streams[name] for name in names if name in self._streams]
            missing = [name for name in names if name not in self._streams]
        if missing:
            raise UsageError(f"there is no stream named {missing[0]!r}; there are {', '.join(self._streams)}")
        for stream in streams:
            stream.end()
            stream.feed.stop()
        if not _joined(streams, REMOVE_S):
            for stream in streams:
                stream.stop()
            _joined(streams, CLOSE_S)
        for stream in streams:
            stream.feed.close()
        with self._changed:
            for name in names:
                self._streams.pop(name, None)
        for name in names:
            self._scheduler.forget(name)

    def replace(self, engine: Engine, segmenters: Mapping[str, Segmenter]) -> None:
        """Have another engine compute the frames from the next on; sources, filters and sinks go on.

        Frames that were taken are computed by the engine before, which has none of them left on return.

        Args:
            segmenters: on the new engine, one for each stream, by name.

        Raises:
            UsageError: if results would be others in kind, or a stream has no segmenter on that engine.
            EngineError: if nothing can be computed any more.
        """
        switch = Switch(engine, segmenters)
        with self._changed:
            switch.check(self._engine.spec, self._streams)
            self._switch = switch
            self._news += 1
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._is_over or (self._switch is None and not self._leaving))
        if self._engine is not engine:
            raise EngineError("nothing can be computed any more; start anew with the other engine")

    @property
    def computing_s(self) -> float:
        """How long the engine has been at one batch; 0 while it is free."""
        began_s = self._scheduler.began_s
        return 0.0 if began_s is None else time.monotonic() - began_s

    def status(self) -> tuple[StreamStatus, ...]:
        """Say how each stream is doing, in the order they were added."""
        return tuple(stream.status() for stream in self._all())

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until all streams are done; False if the time is over before."""
        with self._changed:
            return self._changed.wait_for(
                lambda: all(stream.done for stream in self._streams.values()), timeout_s
            )

    def wake(self) -> None:
        """Look again at who has a frame to take."""
        with self._changed:
            self._news += 1
            self._changed.notify_all()

    def close(self) -> None:
        """Stop all streams and close their sinks; the frame that each is finishing is its last."""
        deadline_s = time.monotonic() + CLOSE_S
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        streams = self._all()
        for stream in streams:
            stream.stop()
        _joined(streams, CLOSE_S)
        for stream in streams:
            stream.feed.close()
        self._free.put(None)  # wakes the thread that prepares, which wakes the other
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(max(deadline_s - time.monotonic(), 0.0))

    def __enter__(self) -> Streams:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _all(self) -> Sequence[Stream]:
        with self._changed:
            return list(self._streams.values())

    @property
    def _is_over(self) -> bool:
        return self._closed or self._error is not None

    def _guard(self, work: Callable[[], None]) -> None:
        """Do what a thread is there for; what it dies of is the error of all streams."""
        try:
            work()
        except Exception as error:
            self._error = error
            self.wake()
            for stream in self._all():
                stream.crash(error)
        self._prepared.put(None)  # the end of one is the end of the other
        self._free.put(None)

    def _prepare_all(self) -> None:
        """Fill batch after batch."""
        while (batch := self._free.get()) is not None and not self._is_over:
            batch.clear()
            while not batch.items and not self._is_over:
                batch = self._of_engine(batch)
                for stream in self._choose():
                    self._prepare(stream, batch)
            if batch.items:
                with self._changed:
                    self._pending += 1
                    if self._scheduler.began_s is None:
                        self._scheduler.began_s = time.monotonic()
                self._prepared.put(batch)

    def _of_engine(self, batch: Batch) -> Batch:
        """Make the switch that is asked for, if any, and give a batch of the engine that is in use."""
        with self._changed:
            switch, self._switch = self._switch, None
            if switch is not None:
                self._engine, self._leaving = switch.engine, self._pending
                self._scheduler.adopt(switch.engine.batch_shape[0])
                for name, stream in self._streams.items():
                    stream.adopt(switch.segmenters[name])
                self._changed.notify_all()
        return batch if batch.engine is self._engine else Batch.of(self._engine)

    def _prepare(self, stream: Stream, batch: Batch) -> None:
        """Take a stream's frame into a batch."""
        item = stream.take()
        if item is None:
            return
        began_s = time.monotonic()
        try:
            prepared = item.segmenter.preprocess(item.frame.image)
            batch.add(item, prepared)
        except Exception as error:  # a frame that does not fit is the stream's alone
            stream.fail(item, error)
            return
        took_s = time.monotonic() - began_s
        stream.images = len(prepared.image)
        stream.preparing.add(took_s)
        item.note("preprocess", took_s)
        self._scheduler.serve(stream)

    def _choose(self) -> list[Stream]:
        """Wait until there are frames to take; nothing once closed, or when there is a switch to make."""
        held_since_s: float | None = None
        while True:
            with self._changed:
                if self._is_over or self._switch is not None:
                    return []
                seen = self._news
            now_s = time.monotonic()
            streams = self._all()
            chosen, wait_s = self._scheduler.choose(streams, now_s, held_since_s)
            if chosen and wait_s == 0:
                self._scheduler.expect(chosen, streams)
                return chosen
            if chosen and held_since_s is None and self._scheduler.free_at_s(now_s) <= now_s:
                held_since_s = now_s
            with self._changed:
                self._changed.wait_for(lambda: self._is_over or self._news != seen, wait_s)  # noqa: B023

    def _infer_all(self) -> None:
        """Compute batch after batch."""
        while (batch := self._prepared.get()) is not None:
            began_s = self._scheduler.began_s = time.monotonic()
            try:
                assert batch.engine is not None
                outputs = batch.engine.infer(batch.images)
            except Exception as error:  # of this batch; whether it is the last is each stream's to decide
                items = batch.items
                self._give_back(batch)
                for item in items:
                    item.stream.fail(item, error)
                continue
            took_s = time.monotonic() - began_s
            if batch.engine is self._engine:
                self._scheduler.inferred(took_s)
            items = batch.split(outputs)
            del outputs  # each item has its part
            self._give_back(batch)
            for item in items:
                item.note("infer", took_s)
                item.stream.finish(item)

    def _give_back(self, batch: Batch) -> None:
        """The engine is free, for the batch that waits if there is one."""
        with self._changed:
            self._pending -= 1
            self._leaving -= batch.engine is not self._engine
            self._scheduler.began_s = time.monotonic() if self._pending else None
        self._free.put(batch)
        self.wake()


def _joined(streams: Sequence[Stream], timeout_s: float) -> bool:
    """Wait until all streams are done; False if the time is over before."""
    deadline_s = time.monotonic() + timeout_s
    for stream in streams:
        stream.join(max(deadline_s - time.monotonic(), 0.0))
    return all(stream.join(0.0) for stream in streams)
