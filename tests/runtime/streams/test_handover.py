from __future__ import annotations

import threading

import numpy as np

from edgeseg.frames.results import SemanticResult
from edgeseg.runtime.frame import Frame
from edgeseg.runtime.streams.handover import Handover

from .cameras import PATIENCE_S, until

RESULT = SemanticResult(np.zeros((2, 2), np.uint8))


def frame(index: int) -> Frame:
    return Frame(np.zeros((2, 2, 3), np.uint8), index, 0.0)


def test_the_giver_goes_on_once_the_caller_comes_back() -> None:
    handover = Handover(lambda: None)
    given: list[int] = []

    def give() -> None:
        for index in range(3):
            handover.give(frame(index), RESULT)
            given.append(index)
        handover.end()

    thread = threading.Thread(target=give)
    thread.start()
    seen = []
    for got, _ in handover:
        assert len(given) == got.index  # nothing is given while the caller works
        seen.append(got.index)
    thread.join(PATIENCE_S)
    assert seen == [0, 1, 2]


def test_a_caller_that_leaves_holds_up_nobody() -> None:
    handover = Handover(lambda: None)
    thread = threading.Thread(target=lambda: [handover.give(frame(index), RESULT) for index in range(9)])
    thread.start()
    for _ in handover:
        break
    assert not handover.asks
    handover.end()
    until(lambda: not thread.is_alive())


def test_asking_wakes_whoever_can_help() -> None:
    asked = []
    handover = Handover(lambda: asked.append(handover.asks))
    handover.end()
    assert list(handover) == []
    assert asked == [True]
