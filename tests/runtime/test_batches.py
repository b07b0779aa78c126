"""Calls that come together share batches, and each gets what it would have got alone."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from edgeseg.errors import EngineError
from edgeseg.runtime.batches import Batches

SIZE = 4
WAIT_S = 30.0  # far more than any of it takes


def image(value: int, count: int = 1) -> np.ndarray:
    return np.full((count, 2, 2, 3), value, np.uint8)


class Runs:
    """Sums the pixels of each image; keeps the first values of every batch, and waits while it is held."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.before: Callable[[], object] = lambda: None
        self.free = threading.Event()
        self.free.set()
        self.shared = Batches(self.infer, (SIZE, 2, 2, 3), np.dtype(np.uint8))

    def infer(self, images: np.ndarray) -> dict[str, np.ndarray]:
        self.batches.append(images[:, 0, 0, 0].tolist())
        assert self.free.wait(WAIT_S)
        self.before()
        return {"sum": images.sum(axis=(1, 2, 3))}

    def while_one_runs(self, pool: ThreadPoolExecutor, calls: Sequence[np.ndarray]) -> list[Future]:
        """Hold a first call of value 1 until the others wait behind it in their order; then go on."""
        self.free.clear()
        futures = [pool.submit(self.shared.infer, image(1))]
        self.until(lambda: self.batches)
        for number, call in enumerate(calls, start=1):
            futures.append(pool.submit(self.shared.infer, call))
            self.until(lambda number=number: len(self.shared._waiting) == number)
        return futures

    @staticmethod
    def until(true: Callable[[], object]) -> None:
        deadline_s = time.monotonic() + WAIT_S
        while not true():
            assert time.monotonic() < deadline_s
            time.sleep(0.001)


@pytest.fixture
def runs() -> Runs:
    return Runs()


def sums(futures: Sequence[Future]) -> list[list[int]]:
    return [future.result(WAIT_S)["sum"].tolist() for future in futures]


def test_a_call_alone_runs_at_once_and_blank_images_fill_its_batch(runs: Runs) -> None:
    assert runs.shared.infer(image(7, 3))["sum"].tolist() == [84, 84, 84]
    assert runs.shared.infer(image(5))["sum"].tolist() == [60]
    assert runs.batches == [[7, 7, 7, 0], [5, 0, 0, 0]]


def test_calls_that_come_while_a_batch_runs_share_the_next(runs: Runs) -> None:
    with ThreadPoolExecutor(5) as pool:
        futures = runs.while_one_runs(pool, [image(2), image(3), image(4)])
        runs.free.set()
        assert sums(futures) == [[12], [24], [36], [48]]
    assert runs.batches == [[1, 0, 0, 0], [2, 3, 4, 0]]


def test_more_than_fit_take_turns_the_oldest_first(runs: Runs) -> None:
    with ThreadPoolExecutor(5) as pool:
        futures = runs.while_one_runs(pool, [image(2, 3), image(3, 2), image(4), image(5)])
        runs.free.set()
        assert sums(futures) == [[12], [24] * 3, [36] * 2, [48], [60]]
    assert runs.batches == [[1, 0, 0, 0], [2, 2, 2, 0], [3, 3, 4, 5]]


def test_outputs_are_each_callers_own(runs: Runs) -> None:
    with ThreadPoolExecutor(3) as pool:
        futures = runs.while_one_runs(pool, [image(2), image(3)])
        runs.free.set()
        first, second, third = (future.result(WAIT_S)["sum"] for future in futures)
    for own in (first, second, third):
        assert own.base is None  # nothing of the batch is kept alive
        own[:] = 0
    assert runs.shared.infer(image(1))["sum"].tolist() == [12]


def test_a_batch_that_fails_fails_for_all_its_calls_and_no_other(runs: Runs) -> None:
    def fail_the_second() -> None:
        if len(runs.batches) == 2:
            raise EngineError("the device is lost")

    runs.before = fail_the_second
    with ThreadPoolExecutor(4) as pool:
        futures = runs.while_one_runs(pool, [image(2), image(3), image(4, 4)])
        runs.free.set()
        for future in futures[1:3]:
            with pytest.raises(EngineError, match="the device is lost"):
                future.result(WAIT_S)
        assert sums([futures[0], futures[3]]) == [[12], [48] * 4]
    assert runs.shared.infer(image(1))["sum"].tolist() == [12]


def test_closing_sends_away_who_waits_and_lets_a_batch_go_on(runs: Runs) -> None:
    with ThreadPoolExecutor(4) as pool:
        futures = runs.while_one_runs(pool, [image(2), image(3)])
        runs.shared.close()
        for future in futures[1:]:
            with pytest.raises(EngineError, match="the engine is closed"):
                future.result(WAIT_S)
        runs.free.set()
        assert sums(futures[:1]) == [[12]]
    with pytest.raises(EngineError, match="the engine is closed"):
        runs.shared.infer(image(1))
    assert runs.batches == [[1, 0, 0, 0]]


INTERRUPTED_WHILE_IT_WAITS = """
import signal, threading
from concurrent.futures import ThreadPoolExecutor
from tests.runtime.test_batches import WAIT_S, Runs, image, sums

runs = Runs()
signal.signal(signal.SIGINT, signal.default_int_handler)

def press_ctrl_c():
    runs.until(lambda: runs.shared._waiting)
    signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

with ThreadPoolExecutor(3) as pool:
    futures = runs.while_one_runs(pool, [])
    pressed = pool.submit(press_ctrl_c)
    try:
        runs.shared.infer(image(2))
    except KeyboardInterrupt:
        print("interrupted")
    pressed.result(WAIT_S)
    runs.free.set()
    print(sums([*futures, pool.submit(runs.shared.infer, image(3))]), runs.batches)
"""


def test_a_call_that_is_interrupted_while_it_waits_is_forgotten() -> None:
    done = subprocess.run(  # a process of its own: signals belong to a process, and to what it has loaded
        [sys.executable, "-c", INTERRUPTED_WHILE_IT_WAITS],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
        timeout=2 * WAIT_S,
    )
    assert done.stdout.splitlines() == ["interrupted", "[[12], [36]] [[1, 0, 0, 0], [3, 0, 0, 0]]"], (
        done.stderr
    )


def test_an_interrupt_in_the_thread_that_runs_a_batch_holds_nobody_up(runs: Runs) -> None:
    def interrupt_the_second() -> None:
        if len(runs.batches) == 2:
            raise KeyboardInterrupt

    runs.before = interrupt_the_second
    with ThreadPoolExecutor(4) as pool:
        futures = runs.while_one_runs(pool, [image(2), image(3), image(4)])
        runs.free.set()
        with pytest.raises(KeyboardInterrupt):
            futures[1].result(WAIT_S)
        assert sums([futures[0], *futures[2:]]) == [[12], [36], [48]]
    assert runs.batches == [[1, 0, 0, 0], [2, 3, 4, 0], [3, 4, 0, 0]]
