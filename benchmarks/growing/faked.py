"""Time the stages of frames that go through a segmenter, and read what memory that took."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeseg.runtime import FakeBackend, Segmenter
from edgeseg.runtime.profiling.timing import StageTimes
from edgeseg.runtime.steps import segment
from edgeseg.spec import GraphSpec, InputSpec, ModelSpec, OutputSpec, Provenance

INPUT_HW = (512, 512)
STRIDE = 8
MASK_SIDE = 28
WARMUP = 2
LEAST_REPEATS = 3  # of what takes long
LONG_S = 15.0  # after which there are no more


def medians_ms(
    segmenter: Segmenter,
    frames: Sequence[NDArray[Any]],
    repeats: int,
    use: Callable[[Any], object] = lambda _: None,
) -> dict[str, float]:
    """Take frames in turn through a segmenter; give the median of each stage, and of using the result.

    Args:
        repeats: fewer where they take long.
        use: what a user does with a result, such as asking for its masks; stage `sink`.
    """
    times = StageTimes()
    turns = itertools.cycle(frames)
    end_s = time.monotonic() + LONG_S
    for turn in range(WARMUP + repeats):
        if turn >= WARMUP + LEAST_REPEATS and time.monotonic() > end_s:
            break
        kept = times if turn >= WARMUP else StageTimes()
        result = segment(segmenter, next(turns), kept)
        with kept.measure("sink"):
            use(result)
    return {name: summary.p50 for name, summary in times.summaries().items()}


def semantic_spec(classes: int) -> ModelSpec:
    """Say what a fake engine of logits takes and gives."""
    rows, columns = (side // STRIDE for side in INPUT_HW)
    return ModelSpec(
        task="semantic",
        class_names=tuple(f"class {number}" for number in range(classes)),
        input=InputSpec(*INPUT_HW),
        graph=GraphSpec((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
        output_kind="logits",
        outputs=(OutputSpec("logits", "float32", (1, classes, rows, columns)),),
        source=Provenance("fake"),
    )


def instance_spec() -> ModelSpec:
    """Say what a fake engine of instances takes and gives, any number of them."""
    shapes: dict[str, tuple[int | None, ...]] = {
        "boxes": (1, None, 4),
        "scores": (1, None),
        "class_ids": (1, None),
        "masks": (1, None, MASK_SIDE, MASK_SIDE),
    }
    outputs = tuple(
        OutputSpec(name, "int64" if name == "class_ids" else "float32", shape)
        for name, shape in shapes.items()
    )
    return replace(
        semantic_spec(2),
        task="instance",
        class_names=("background", "thing"),
        output_kind="instances",
        outputs=outputs,
    )


def faked(spec: ModelSpec, outputs: Mapping[str, NDArray[Any]], **options: Any) -> Segmenter:
    """Open a segmenter on an engine that takes no time and gives the same outputs each time."""
    return Segmenter(FakeBackend(spec, lambda _: outputs).engine(), **options)


def noise(size_hw: tuple[int, int], count: int = 2) -> list[NDArray[np.uint8]]:
    """Make frames (H, W, 3) of noise."""
    random = np.random.default_rng(0)
    return [random.integers(0, 256, (*size_hw, 3), np.uint8) for _ in range(count)]
