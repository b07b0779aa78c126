from __future__ import annotations

import gc
import time
import tracemalloc

import numpy as np
import pytest

from edgeseg.runtime import FakeBackend, InstanceRefinement, Refinement, Segmenter
from edgeseg.runtime.frame import Frame
from edgeseg.runtime.sources.base import Source
from edgeseg.runtime.streams.stream import Stream
from edgeseg.runtime.streams.streams import Streams
from edgeseg.spec import CRFSpec
from tests.runtime.specs import instances_spec, labels_spec, logits_spec

SIZE_HW = (64, 64)
WARM, FRAMES = 500, 3000
MOST_GROWTH_BYTES = 250_000  # 100 a frame; the durations of stages take 45, until they are 10,000
CRF = CRFSpec(height=SIZE_HW[0], iterations=1)


class Noise(Source):
    """Frames of noise, a new array each."""

    name = "noise"

    def __init__(self, count: int) -> None:
        super().__init__()
        self._random = np.random.default_rng(0)
        self._count, self._position = count, 0

    def read(self) -> Frame | None:
        if self._position == self._count:
            return None
        self._position += 1
        image = self._random.integers(0, 255, (*SIZE_HW, 3), np.uint8)
        return Frame(image, self._position - 1, time.monotonic())


class Memory:
    """What is allocated when a certain frame has its result, and later."""

    def __init__(self) -> None:
        self.at_bytes: list[int] = []

    def look(self) -> None:
        gc.collect()
        self.at_bytes.append(tracemalloc.get_traced_memory()[0])

    def __call__(self, frame: Frame, _: object) -> None:
        if frame.index in (WARM, FRAMES - 5):
            self.look()


def semantic() -> Segmenter:
    return Segmenter(FakeBackend(labels_spec(SIZE_HW)).engine())


def refined() -> Segmenter:
    return Segmenter(FakeBackend(logits_spec(SIZE_HW)).engine(), refinement=Refinement(CRF))


def instances() -> Segmenter:
    return Segmenter(FakeBackend(instances_spec(2, SIZE_HW)).engine())


def refined_instances() -> Segmenter:
    return Segmenter(FakeBackend(instances_spec(2, SIZE_HW)).engine(), refinement=InstanceRefinement(CRF))


@pytest.mark.parametrize("make", [semantic, refined, instances, refined_instances])
def test_memory_does_not_grow_with_the_frames(make) -> None:
    segmenter, memory = make(), Memory()
    tracemalloc.start()
    try:
        with Streams(segmenter.engine) as streams:
            streams.add(Stream("s", Noise(FRAMES), segmenter, budget_ms=1000, on_result=memory))
            assert streams.wait(300)
    finally:
        tracemalloc.stop()
    before, after = memory.at_bytes
    assert after - before < MOST_GROWTH_BYTES
