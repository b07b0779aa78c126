"""Test a program that uses edgeseg without an engine, a model file or a device: by FakeBackend.

    python -m pytest examples/test_your_application.py

A FakeBackend gives outputs that the pixels decide, so a test draws a picture and knows what will be found in
it. It can also be slow, or fail, as engines do.
"""

from __future__ import annotations

import numpy as np
import pytest

from edgeseg.errors import EngineError
from edgeseg.runtime import FakeBackend, Segmenter
from edgeseg.spec import GraphSpec, InputSpec, ModelSpec, OutputSpec, Provenance

SPEC = ModelSpec(
    task="semantic",
    class_names=("free", "blocked"),
    input=InputSpec(height=32, width=32),
    graph=GraphSpec(mean_rgb=(0, 0, 0), std_rgb=(1, 1, 1)),
    output_kind="labels",
    outputs=(OutputSpec("labels", "uint8", (1, 32, 32)),),
    source=Provenance("fake"),
)

MOST_BLOCKED = 0.5  # of a frame


def is_blocked(segment: Segmenter, frame: np.ndarray) -> bool:
    """Decide whether most of a frame is blocked: the program that is tested."""
    return float(np.mean(segment(frame).labels == 1)) > MOST_BLOCKED


def test_a_bright_frame_is_blocked() -> None:
    """The fake's last class is the brightest."""
    segment = Segmenter(FakeBackend(SPEC).engine())
    assert is_blocked(segment, np.full((64, 64, 3), 255, np.uint8))
    assert not is_blocked(segment, np.zeros((64, 64, 3), np.uint8))


def test_a_broken_engine_is_told() -> None:
    """What `compute` raises reaches the program."""

    def fail(images: np.ndarray) -> dict[str, np.ndarray]:
        raise EngineError("the device is gone")

    segment = Segmenter(FakeBackend(SPEC, fail).engine())
    with pytest.raises(EngineError, match="gone"):
        is_blocked(segment, np.zeros((64, 64, 3), np.uint8))
