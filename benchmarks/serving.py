"""What `edgeseg serve` gives when requests come at a rate, beside one process that segments the same frames.

A `Segmenter` of one thread takes frames one after another. Then clients (`tritonclient`) send the same
frames, as bytes of 480x640, to one replica of one thread: at first each as soon as it has its answer, which
gives the rate of the server; then at moments drawn beforehand (a Poisson process) at a share of that rate,
whether or not answers come. Both rates are measured anew before each run, next to it. Latency is counted
from the moment when a request was due, so that one that waits for a free client has waited, too, and given
in multiples of what the segmenter takes for a frame. Every answer is compared with the segmenter's own.

    python -m benchmarks.serving ENGINE [--seconds N] [--queue N] [--clients N] [--repeats N]
"""

from __future__ import annotations

import argparse
import contextlib
import random
import statistics
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgeseg.frames.results import Result, SemanticResult
from edgeseg.runtime import Segmenter
from edgeseg.scenes.pictures import picture
from edgeseg.serving.on_ray import RayServer, ServerSettings
from edgeseg.serving.replica import EngineSettings

FRAME_HW = (480, 640)
FRAMES = 8
SHARES = (0.25, 0.5, 0.75, 0.9, 1.0, 1.25, 1.5, 2.0)  # of the server's own rate
CLOSED_CLIENTS = 4  # that keep a replica busy
REFUSED = "503"
COLUMNS = ("offered", "goodput", "refused", "p50", "p99", "lost", "wrong")
PORT = 8791
WARM_S, RATE_S = 3.0, 2.0


class Outcome(NamedTuple):
    """What became of the requests of one rate; `latencies_ms` are those of the answers."""

    offered: int
    latencies_ms: Sequence[float]
    refused: int
    wrong: int
    seconds: float

    @property
    def lost(self) -> int:
        """Requests that were neither answered nor refused."""
        return self.offered - len(self.latencies_ms) - self.refused - self.wrong


def main() -> None:
    """Print a row a rate."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("engine", type=Path)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each run")
    parser.add_argument("--queue", type=int, default=8, help="requests that may wait")
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    frames = [picture(index, FRAME_HW, 3) for index in range(FRAMES)]
    with Segmenter.open(arguments.engine, threads=1) as segment:
        expected = [labels_of(segment(frame)) for frame in frames]
        settings = ServerSettings(
            EngineSettings(arguments.engine.resolve()), "served", port=PORT, queue=arguments.queue
        )
        with RayServer(settings) as server:
            ask = Asking(server.address, frames, expected)
            closed(ask, WARM_S)
            rates: list[float] = []
            print(" ".join(f"{name:>8}" for name in COLUMNS))
            for share in SHARES:
                found = []
                for seed in range(arguments.repeats):
                    own, capacity = alone(segment, frames, RATE_S), closed(ask, RATE_S)
                    rates.append(capacity / own)
                    outcome = opened(ask, share * capacity, arguments.seconds, arguments.clients, seed)
                    found.append(figures(outcome, own, capacity))
                print(row(share, found), flush=True)
            print(f"the server's rate: {statistics.median(rates):.2f} of the segmenter's, with its clients")


def figures(outcome: Outcome, own: float, capacity: float) -> tuple[float, ...]:
    """Give the columns of one run: goodput by the server's rate, times by the segmenter's time a frame."""
    p50, p99 = (float(np.percentile(outcome.latencies_ms, q)) * own / 1e3 for q in (50, 99))
    goodput = len(outcome.latencies_ms) / outcome.seconds / capacity
    return goodput, outcome.refused / outcome.offered, p50, p99, outcome.lost, outcome.wrong


def labels_of(result: Result) -> NDArray[Any]:
    """Give the labels of a semantic network's result."""
    if not isinstance(result, SemanticResult):
        raise SystemExit("give an engine that labels pixels")
    return result.labels


def row(share: float, found: Sequence[tuple[float, ...]]) -> str:
    """Give the medians of several runs at one rate, and the sums of what must not be."""
    *columns, lost, wrong = zip(*found, strict=True)
    goodput, refused, p50, p99 = map(statistics.median, columns)
    told = f"{share:8.2f} {goodput:8.2f} {refused:8.0%} {p50:8.1f} {p99:8.1f}"
    return f"{told} {sum(lost):8.0f} {sum(wrong):8.0f}"


class Asking:
    """Sends frames by a client of each thread's own, and compares what comes back."""

    def __init__(
        self, address: str, frames: Sequence[NDArray[Any]], expected: Sequence[NDArray[Any]]
    ) -> None:
        self._own = threading.local()
        self._address = address
        self._frames = frames
        self._expected = expected

    def __call__(self, number: int) -> str:
        """Send a frame; give `right`, `wrong`, or the status of a refusal."""
        import tritonclient.http as triton
        from tritonclient.utils import InferenceServerException

        if not hasattr(self._own, "client"):
            self._own.client = triton.InferenceServerClient(self._address)
        frame = self._frames[number % FRAMES]
        tensor = triton.InferInput("frame", (1, *frame.shape), "UINT8")
        tensor.set_data_from_numpy(frame[None])
        try:
            labels = self._own.client.infer("served", [tensor]).as_numpy("labels")[0]
        except InferenceServerException as error:
            return str(error.status())
        return "right" if np.array_equal(labels, self._expected[number % FRAMES]) else "wrong"


def alone(segment: Segmenter, frames: Sequence[NDArray[Any]], seconds: float) -> float:
    """Segment frames one after another; give frames a second."""
    done, begun = 0, time.perf_counter()
    while time.perf_counter() - begun < seconds:
        segment(frames[done % FRAMES])
        done += 1
    return done / (time.perf_counter() - begun)


def closed(ask: Asking, seconds: float) -> float:
    """Let a few clients ask again and again; give answers a second."""
    begun = time.perf_counter()

    def again(number: int) -> int:
        done = 0
        while time.perf_counter() - begun < seconds:
            done += ask(number + done) == "right"
        return done

    with ThreadPoolExecutor(CLOSED_CLIENTS) as pool:
        done = sum(pool.map(again, range(CLOSED_CLIENTS)))
    return done / (time.perf_counter() - begun)


def opened(ask: Asking, rate: float, seconds: float, clients: int, seed: int) -> Outcome:
    """Send requests when they are due, by as many clients as there are; give what became of them."""
    due = list(moments(rate, seconds, seed))
    begun = time.perf_counter()

    def send(number: int) -> tuple[str, float]:
        with contextlib.suppress(ValueError):
            time.sleep(begun + due[number] - time.perf_counter())
        answer = ask(number)
        return answer, (time.perf_counter() - begun - due[number]) * 1e3

    with ThreadPoolExecutor(clients) as pool:
        answers = list(pool.map(send, range(len(due))))
    taken = time.perf_counter() - begun
    right = [ms for answer, ms in answers if answer == "right"]
    refused = sum(answer == REFUSED for answer, _ in answers)
    wrong = sum(answer == "wrong" for answer, _ in answers)
    return Outcome(len(due), right, refused, wrong, max(taken, seconds))


def moments(rate: float, seconds: float, seed: int) -> Iterator[float]:
    """Draw the moments of a Poisson process, in seconds from its beginning."""
    numbers = random.Random(seed)
    now = numbers.expovariate(rate)
    while now < seconds:
        yield now
        now += numbers.expovariate(rate)


if __name__ == "__main__":
    main()
