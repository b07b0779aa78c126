"""Simulate a batch on a cluster, by events: a driver, workers, and a store with its limits.

The driver gives pieces one after another, two to each worker ahead; a worker reads a piece's files, some at a
time, segments, and writes two objects. The store answers after a latency, sends so much a second in all, and
takes so many requests a second. What has been busy for the largest share of the time is the next bottleneck.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import simpy

PICTURE_READS = 2  # requests: its size, and itself
AHEAD = 2  # pieces of a worker, as with Ray
GB, MB, KB = 1e9, 1e6, 1e3
WORKERS = "workers"


@dataclass(frozen=True)
class Load:
    """What a piece is.

    Attributes:
        pictures: of a piece, on average; in each of them where `even`, else as names end groups of pictures.
        reads: requests to read a piece, one after another; None: those of each picture, before its turn.
    """

    name: str
    pictures: int
    reads: int | None
    even: bool
    picture_ms: float
    picture_kb: float
    part_kb: float
    driver_ms: float


@dataclass(frozen=True)
class Store:
    """What a store can do; the defaults are what S3 says of one prefix, and a link of 100 Gbit/s.

    Attributes:
        latency_ms: until the first byte.
        stream_mb: that one worker reads a second.
        gigabytes: that all read a second.
        gets, puts: requests a second.
        puts_a_part: an object of rows, and one of times.
    """

    latency_ms: float = 30.0
    stream_mb: float = 60.0
    gigabytes: float = 12.5
    gets: float = 5500.0
    puts: float = 3500.0
    puts_a_part: int = 2


@dataclass
class Outcome:
    """What came of it.

    Attributes:
        pictures_a_s: between a fifth and four fifths of the pieces.
        busy: share of the time that each part of the system was busy.
    """

    pictures_a_s: float
    busy: Mapping[str, float]

    @property
    def bottleneck(self) -> str:
        """Name what was busiest."""
        return max(self.busy, key=lambda name: self.busy[name])


@dataclass
class _Meter:
    """Something of which there are so many, and how long they were busy."""

    resource: simpy.Resource
    busy_s: float = 0.0

    def use(self, env: simpy.Environment, seconds: float) -> Iterator[Any]:
        with self.resource.request() as turn:
            yield turn
            self.busy_s += seconds
            yield env.timeout(seconds)


@dataclass
class _Run:
    env: simpy.Environment
    load: Load
    store: Store
    queue: simpy.Store
    meters: dict[str, _Meter]
    done: list[tuple[float, int]] = field(default_factory=list)
    computed_s: float = 0.0


def simulate(workers: int, load: Load, store: Store, pieces_a_worker: int = 12, seed: int = 0) -> Outcome:
    """Do an archive of so many pieces a worker."""
    env = simpy.Environment()
    streams = max(1, int(store.gigabytes * GB / (store.stream_mb * MB)))
    meters = {
        "driver": _Meter(simpy.Resource(env)),
        "bandwidth": _Meter(simpy.Resource(env, streams)),
        "requests to read": _Meter(simpy.Resource(env)),
        "requests to write": _Meter(simpy.Resource(env)),
    }
    run = _Run(env, load, store, simpy.Store(env, AHEAD * workers), meters)
    chosen = random.Random(seed)
    pieces = [_pictures(load, chosen) for _ in range(max(60, pieces_a_worker * workers))]
    env.process(_driver(run, pieces))
    for _ in range(workers):
        env.process(_worker(run))
    env.run()
    run.done.sort()
    first, last = run.done[len(pieces) // 5], run.done[4 * len(pieces) // 5]
    count = sum(pictures for ended_s, pictures in run.done if first[0] < ended_s <= last[0])
    # What is short is busy all the time that the driver has pieces; the last fifth is the queue's own.
    busy = {name: meter.busy_s / (meter.resource.capacity * env.now) for name, meter in meters.items()}
    busy[WORKERS] = run.computed_s / (workers * env.now)
    return Outcome(count / (last[0] - first[0]), busy)


def _pictures(load: Load, chosen: random.Random) -> int:
    if load.even:
        return load.pictures
    most = 4 * load.pictures
    return next((count for count in range(1, most) if chosen.random() * load.pictures < 1), most)


def _driver(run: _Run, pieces: list[int]) -> Iterator[Any]:
    for pictures in pieces:
        yield from run.meters["driver"].use(run.env, run.load.driver_ms / KB)
        yield run.queue.put(pictures)
    for _ in range(run.queue.capacity):
        yield run.queue.put(0)


def _worker(run: _Run) -> Iterator[Any]:
    load, store, env = run.load, run.store, run.env
    while pictures := (yield run.queue.get()):
        reads = pictures * PICTURE_READS if load.reads is None else load.reads
        size_mb = pictures * load.picture_kb / KB
        yield from run.meters["requests to read"].use(env, reads / store.gets)
        yield from run.meters["bandwidth"].use(env, size_mb / store.stream_mb)
        work_s = pictures * load.picture_ms / KB
        run.computed_s += work_s
        waits = (PICTURE_READS if load.reads is None else reads) + store.puts_a_part
        yield env.timeout(work_s + waits * store.latency_ms / KB)
        yield from run.meters["requests to write"].use(env, store.puts_a_part / store.puts)
        run.done.append((env.now, pictures))
