"""What `edgeseg serve` gives when requests come at a rate, beside one process that segments the same frames.

A `Segmenter` of one thread takes frames one after another. Clients (`tritonclient`) send the same frames, as
bytes of 480x640, to one replica of one thread. Every answer is compared with the segmenter's own.

First 1, 8 and 64 clients send each as soon as it has its answer, to a server whose queue holds them all.
Then, on a server with a shorter queue, which gives its rate with a few such clients, requests are sent at
moments drawn beforehand, at a share of that rate, whether or not answers come: a fixed number, each at any
moment of the run with the same probability, as those of a Poisson process of which the number is known. Rates
are measured anew before each run, next to it. Latency is counted from the moment when a request was due, so
that one that waits for a free client has waited, too, and given in multiples of what the segmenter takes for
a frame.

    python -m benchmarks.serving ENGINE [--seconds N] [--queue N] [--clients N] [--repeats N]
"""

from __future__ import annotations

import argparse
import contextlib
import random
import statistics
import threading
import time
from collections.abc import Sequence
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
CLOSED = (1, 8, 64)  # clients that send each as soon as it has its answer
CLOSED_COLUMNS = ("clients", "rate", "p50", "p99", "refused", "wrong")
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
    def rate(self) -> float:
        """Right answers a second."""
        return len(self.latencies_ms) / self.seconds

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
        with serving(arguments.engine, max(CLOSED)) as server:
            ask = Asking(server.address, frames, expected)
            closed(ask, CLOSED_CLIENTS, WARM_S)
            print(" ".join(f"{name:>8}" for name in CLOSED_COLUMNS))
            for clients in CLOSED:
                runs = [
                    (alone(segment, frames, RATE_S), closed(ask, clients, arguments.seconds))
                    for _ in range(arguments.repeats)
                ]
                print(closed_row(clients, runs), flush=True)
        with serving(arguments.engine, arguments.queue) as server:
            ask = Asking(server.address, frames, expected)
            closed(ask, CLOSED_CLIENTS, WARM_S)
            rates: list[float] = []
            print(" ".join(f"{name:>8}" for name in COLUMNS))
            for share in SHARES:
                found = []
                for seed in range(arguments.repeats):
                    own, capacity = alone(segment, frames, RATE_S), closed(ask, CLOSED_CLIENTS, RATE_S).rate
                    rates.append(capacity / own)
                    due = moments(round(share * capacity * arguments.seconds), arguments.seconds, seed)
                    outcome = opened(ask, due, arguments.seconds, arguments.clients)
                    found.append(figures(outcome, own, capacity))
                print(row(share, found), flush=True)
            print(f"the server's rate: {statistics.median(rates):.2f} of the segmenter's, with its clients")


def serving(engine: Path, queue: int) -> RayServer:
    """Start a server of one replica."""
    return RayServer(ServerSettings(EngineSettings(engine.resolve()), "served", port=PORT, queue=queue))


def closed_row(clients: int, runs: Sequence[tuple[float, Outcome]]) -> str:
    """Give the medians of runs, each beside the segmenter's frames a second, and sums of what is amiss."""
    found = [
        (outcome.rate / own, *(float(np.percentile(outcome.latencies_ms, q)) * own / 1e3 for q in (50, 99)))
        for own, outcome in runs
    ]
    rate, p50, p99 = map(statistics.median, zip(*found, strict=True))
    refused, wrong = (sum(getattr(outcome, name) for _, outcome in runs) for name in ("refused", "wrong"))
    return f"{clients:8} {rate:8.2f} {p50:8.1f} {p99:8.1f} {refused:8} {wrong:8}"


def figures(outcome: Outcome, own: float, capacity: float) -> tuple[float, ...]:
    """Give the columns of one run: goodput by the server's rate, times by the segmenter's time a frame."""
    p50, p99 = (float(np.percentile(outcome.latencies_ms, q)) * own / 1e3 for q in (50, 99))
    goodput = outcome.rate / capacity
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


def closed(ask: Asking, clients: int, seconds: float) -> Outcome:
    """Let clients ask again and again; give what became of it."""
    begun = time.perf_counter()

    def again(number: int) -> list[tuple[str, float]]:
        found: list[tuple[str, float]] = []
        while (asked := time.perf_counter()) - begun < seconds:
            answer = ask(number + len(found))
            found.append((answer, (time.perf_counter() - asked) * 1e3))
        return found

    with ThreadPoolExecutor(clients) as pool:
        answers = [answer for found in pool.map(again, range(clients)) for answer in found]
    return outcome_of(answers, time.perf_counter() - begun)


def opened(ask: Asking, due: Sequence[float], seconds: float, clients: int) -> Outcome:
    """Send requests when they are due, by as many clients as there are; give what became of them."""
    begun = time.perf_counter()

    def send(number: int) -> tuple[str, float]:
        with contextlib.suppress(ValueError):
            time.sleep(begun + due[number] - time.perf_counter())
        answer = ask(number)
        return answer, (time.perf_counter() - begun - due[number]) * 1e3

    with ThreadPoolExecutor(clients) as pool:
        answers = list(pool.map(send, range(len(due))))
    return outcome_of(answers, max(time.perf_counter() - begun, seconds))


def outcome_of(answers: Sequence[tuple[str, float]], seconds: float) -> Outcome:
    """Count answers (what, latency in ms)."""
    right = [ms for answer, ms in answers if answer == "right"]
    refused, wrong = (sum(answer == what for answer, _ in answers) for what in (REFUSED, "wrong"))
    return Outcome(len(answers), right, refused, wrong, seconds)


def moments(count: int, seconds: float, seed: int) -> Sequence[float]:
    """Draw the moments of so many requests of a Poisson process, in seconds from its beginning."""
    numbers = random.Random(seed)
    return sorted(numbers.uniform(0, seconds) for _ in range(count))


if __name__ == "__main__":
    main()
