"""Golden outputs are small, survive the way through JSON, and refuse to be misread."""

from __future__ import annotations

import json

import numpy as np
import pytest

from edgeseg.errors import SpecError
from edgeseg.export.golden import Golden, sample


def golden() -> Golden:
    outputs = {"boxes": np.ones((2, 4), np.float32), "class_ids": np.array([1, 2], np.int64)}
    return Golden((3, 5), (outputs, outputs), "ab", 100)


def test_json_keeps_everything_and_is_the_same_every_time() -> None:
    text = golden().to_json()
    assert text == golden().to_json()
    again = Golden.from_json(text)
    assert (again.seeds, again.graph_sha256, again.max_detections) == ((3, 5), "ab", 100)
    for outputs in again.outputs:
        assert {name: array.dtype.name for name, array in outputs.items()} == {
            "boxes": "float32",
            "class_ids": "int64",
        }
        assert outputs["class_ids"].tolist() == [1, 2]


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"version": 1, "seeds": [0], "arrays": "AAAA"}'])
def test_broken_json_is_refused(text: str) -> None:
    with pytest.raises(SpecError, match="export the model again"):
        Golden.from_json(text)


def test_another_version_is_refused() -> None:
    plain = json.loads(golden().to_json())
    with pytest.raises(SpecError, match="have version 9"):
        Golden.from_json(json.dumps({**plain, "version": 9}))


def test_sampling_takes_a_grid_of_pixels_and_the_first_masks() -> None:
    ramp = np.arange(480 * 640, dtype=np.float32).reshape(1, 480, 640)
    samples = sample(
        {
            "logits": ramp,
            "labels": np.zeros((40, 640), np.uint8),
            "scores": np.ones(30, np.float32),
            "masks": np.ones((30, 28, 28), np.float32),
        }
    )
    assert {name: array.shape for name, array in samples.items()} == {
        "logits": (1, 16, 16),
        "labels": (40, 96),
        "scores": (30,),
        "masks": (8, 28, 28),
    }
    assert samples["logits"][0, 0, 0] == 15 * 640 + 20  # the middle of the first of 16 x 16 cells
