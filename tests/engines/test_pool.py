"""Slots are taken by one thread at a time, and closing leaves nobody waiting."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from edgeseg.engines.pool import Pool
from edgeseg.errors import EngineError


class SlowSlot:
    """A slot that stays taken until it is told to go on."""

    def __init__(self) -> None:
        self.taken, self.go_on, self.freed = threading.Event(), threading.Event(), False

    def run(self) -> bool:
        self.taken.set()
        assert self.go_on.wait(10)
        return self.freed


def free(slot: SlowSlot) -> None:
    slot.freed = True


def test_closing_sends_away_who_waits_and_waits_for_who_runs() -> None:
    slots: Pool[SlowSlot] = Pool(free)
    slot = SlowSlot()
    slots.add(slot)

    def infer() -> bool:
        with slots.take() as mine:
            return mine.run()

    with ThreadPoolExecutor(3) as pool:
        running = pool.submit(infer)
        assert slot.taken.wait(10)
        waiting = pool.submit(infer)
        closing = pool.submit(slots.close)
        with pytest.raises(EngineError, match="the engine is closed"):
            waiting.result(10)
        assert not closing.done()
        slot.go_on.set()
        assert running.result(10) is False  # it was not freed under its user
        closing.result(10)
    assert slot.freed
    with pytest.raises(EngineError, match="the engine is closed"):
        infer()
    slots.close()


def test_a_slot_comes_back_from_a_run_that_fails() -> None:
    slots: Pool[int] = Pool()
    slots.add(1)
    for _ in range(2):
        with pytest.raises(ValueError, match="no"), slots.take():
            raise ValueError("no")


def test_who_asks_first_is_served_first() -> None:
    """A thread that takes a slot again and again lets others have it in between."""
    slots: Pool[int] = Pool()
    slots.add(1)
    served: list[str] = []
    others_wait, stop = threading.Event(), threading.Event()

    def greedy() -> None:
        while not stop.is_set():
            with slots.take():
                served.append("greedy")
                others_wait.wait(10)

    def modest() -> None:
        with slots.take():
            served.append("modest")
        stop.set()

    with ThreadPoolExecutor(2) as pool:
        running = pool.submit(greedy)
        while not served:
            pass
        waiting = pool.submit(modest)
        while not slots.waiting:
            pass
        others_wait.set()
        waiting.result(10)
        running.result(10)
    assert served[:2] == ["greedy", "modest"]
