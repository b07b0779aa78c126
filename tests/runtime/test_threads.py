"""Threads share a segmenter: each gets the results of its own frames, and closing leaves nobody waiting."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeseg.errors import EngineError
from edgeseg.runtime import (
    FakeBackend,
    InstanceRefinement,
    InstanceResult,
    Refinement,
    Segmenter,
    SemanticResult,
)
from edgeseg.spec import CRFSpec, ModelSpec

from .specs import instances_spec, labels_spec, logits_spec
from .tiny_models import labels_engine, logits_engine

THREADS, FRAMES = 4, 60
SIZES_HW = [(32, 48), (40, 60), (57, 43), (64, 96)]  # a thread each: the first fits as it is
CRF = CRFSpec(height=32, iterations=1)


def side(value: int, size_hw: tuple[int, int]) -> np.ndarray:
    """A frame that is bright in its upper, lower, left or right half."""
    frame = np.zeros((*size_hw, 3), np.uint8)
    height, width = size_hw
    half = [np.s_[: height // 2], np.s_[height // 2 :], np.s_[:, : width // 2], np.s_[:, width // 2 :]][value]
    frame[half] = 255
    return frame


def plain(result: SemanticResult | InstanceResult) -> list[Any]:
    if isinstance(result, InstanceResult):
        return [result.boxes, result.scores, result.class_ids, result.masks]
    return [result.labels, result.confidence]


def by_steps(segmenter: Segmenter, frame: np.ndarray) -> SemanticResult | InstanceResult:
    prepared = segmenter.preprocess(frame)
    outputs = segmenter.infer(prepared)
    return segmenter.finish(outputs, prepared.placement, frame)


@pytest.mark.parametrize("call", [Segmenter.__call__, by_steps])
@pytest.mark.parametrize(("resize", "batch"), [("stretch", 1), ("letterbox", 1), ("letterbox", 3)])
@pytest.mark.parametrize(
    ("spec", "options"),
    [
        (labels_spec, {}),
        (logits_spec, {"confidence": True}),
        (logits_spec, {"refinement": Refinement(CRF), "confidence": True}),
        (logits_spec, {"refinement": Refinement(CRF, threads=2)}),
        (instances_spec, {}),
        (instances_spec, {"refinement": InstanceRefinement(CRF)}),
    ],
)
def test_each_thread_gets_its_own_results(
    spec: Callable[..., ModelSpec], options: dict[str, Any], resize: str, batch: int, call: Callable[..., Any]
) -> None:
    segmenter = Segmenter(FakeBackend(spec(resize=resize, batch=batch)).engine(), **options)
    frames = [[side((thread + i) % 4, SIZES_HW[thread]) for i in range(4)] for thread in range(THREADS)]
    expected = [[plain(segmenter(frame)) for frame in own] for own in frames]
    together = threading.Barrier(THREADS)

    def work(thread: int) -> int:
        together.wait()
        wrong = 0
        for i in range(FRAMES):
            result = plain(call(segmenter, frames[thread][i % 4]))
            wrong += not all(map(np.array_equal, result, expected[thread][i % 4]))
        return wrong

    with ThreadPoolExecutor(THREADS) as pool:
        assert list(pool.map(work, range(THREADS))) == [0] * THREADS


def test_a_budget_is_kept_by_one_thread_after_another() -> None:
    engine = FakeBackend(logits_spec()).engine()
    segmenter = Segmenter(engine, refinement=Refinement(CRF, budget_ms=1000))
    with ThreadPoolExecutor(THREADS) as pool:
        results = list(pool.map(segmenter, [side(i % 4, SIZES_HW[i % 4]) for i in range(FRAMES)]))
    assert [result.labels.shape for result in results] == [SIZES_HW[i % 4] for i in range(FRAMES)]


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("make", [labels_engine, logits_engine])
def test_closing_while_others_infer_is_an_error_for_them_at_most(
    make: Callable[..., Path], batch: int, tmp_path: Path
) -> None:
    segmenter = Segmenter.open(make(tmp_path / "engine", batch=batch))
    started = threading.Semaphore(0)

    def work(thread: int) -> str:
        started.release()
        try:
            while True:
                segmenter(side(thread, SIZES_HW[thread]))
        except EngineError as error:
            return str(error)

    with ThreadPoolExecutor(THREADS) as pool:
        running = [pool.submit(work, thread) for thread in range(THREADS)]
        for _ in range(THREADS):
            started.acquire()
        time.sleep(0.05)
        segmenter.close()
        assert {future.result(10) for future in running} == {"the engine is closed; open it again"}
