from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from edgeseg.errors import SpecError
from edgeseg.graph.golden.frames import GoldenFrame
from edgeseg.graph.golden.golden import Golden

LABELS = {"labels": np.arange(6, dtype=np.uint8).reshape(2, 3)}


def golden(frames: tuple[GoldenFrame, ...]) -> Golden:
    return Golden((0,), ({"labels": np.zeros((2, 2), np.uint8)},), "ab", frames=frames)


def test_frames_are_read_as_they_were_written() -> None:
    written = golden((GoldenFrame(4, (120, 90), LABELS, 3), GoldenFrame(5, (60, 90), {})))
    first, second = Golden.from_json(written.to_json()).frames
    assert (first.seed, first.size_hw, first.unsteady) == (4, (120, 90), 3)
    assert np.array_equal(first.results["labels"], LABELS["labels"])
    assert (second.size_hw, second.results) == ((60, 90), {})


def test_a_model_exported_before_has_no_frames() -> None:
    parsed = json.loads(golden(()).to_json())
    del parsed["frames"]
    assert Golden.from_json(json.dumps(parsed)).frames == ()


def test_an_engines_own_outputs_come_without_what_pytorch_found_in_frames() -> None:
    own = golden((GoldenFrame(4, (120, 90), LABELS, 3),)).of_engine(())
    assert own.frames == (GoldenFrame(4, (120, 90), {}),)


@pytest.mark.parametrize(
    "change",
    [{"size_hw": [0, 90]}, {"size_hw": [1 << 20, 90]}, {"seed": -1}, {"unsteady": 0.5}, {"size_hw": 3}],
)
def test_frames_that_no_export_writes_are_refused(change: dict[str, Any]) -> None:
    parsed = json.loads(golden((GoldenFrame(4, (120, 90), LABELS),)).to_json())
    parsed["frames"]["frames"][0] |= change
    with pytest.raises(SpecError, match="export the model again"):
        Golden.from_json(json.dumps(parsed))


def test_too_many_frames_are_refused() -> None:
    parsed = json.loads(golden((GoldenFrame(4, (120, 90), LABELS),)).to_json())
    parsed["frames"]["frames"] *= 17
    with pytest.raises(SpecError, match="1 to 16 frames"):
        Golden.from_json(json.dumps(parsed))
