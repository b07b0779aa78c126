"""Golden outputs are small, survive the way through JSON, and refuse to be misread."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from edgeseg.errors import SpecError
from edgeseg.graph.golden.golden import Golden, sample
from edgeseg.graph.golden.selection import Selection


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
    parsed = json.loads(golden().to_json())
    with pytest.raises(SpecError, match="have version 9"):
        Golden.from_json(json.dumps({**parsed, "version": 9}))


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


def rules() -> Selection:
    return Selection(
        image_hw=(64, 96),
        grids_hw=((16, 24),),
        strides_hw=((4, 4),),
        cell_anchors=(((-8.0, -8.0, 8.0, 8.0),),),
        chosen=(60,),
        classes=3,
        proposals=40,
        candidates=40,
        detections=20,
        rpn_score_threshold=0.0,
        rpn_min_side=1e-3,
        rpn_iou=0.7,
        score_threshold=0.5,
        min_side=1e-2,
        iou=0.5,
        delta_weights=(10.0, 10.0, 5.0, 5.0),
        max_log_scale=4.0,
    )


def with_intermediates(boxes: np.ndarray) -> Golden:
    intermediates = {"proposals.boxes": boxes, "maps.0": np.arange(9, dtype=np.float32)}
    return dataclasses.replace(golden(), intermediates=(intermediates, intermediates), rules=rules())


def test_intermediate_values_and_rules_survive_json_beside_the_outputs() -> None:
    again = Golden.from_json(with_intermediates(np.ones((2, 4), np.float32)).to_json())
    assert again.rules == rules()
    assert [set(intermediates) for intermediates in again.intermediates] == [
        {"proposals.boxes", "maps.0"}
    ] * 2
    assert set(again.outputs[0]) == {"boxes", "class_ids"}
    assert not again.own


def test_an_engines_own_outputs_say_so() -> None:
    own = Golden.from_json(golden().of_engine(({"scores": np.ones(1)}, {"scores": np.ones(1)})).to_json())
    assert own.own
    assert set(own.outputs[0]) == {"scores"}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("proposals", 1 << 40),
        ("chosen", [1 << 40]),
        ("grids_hw", [[1 << 40, 1]]),
        ("classes", 0),
        ("delta_weights", [0.0, 1.0, 1.0, 1.0]),
        ("rpn_iou", -1.0),
    ],
)
def test_rules_out_of_range_are_refused_before_they_are_used(field: str, value: object) -> None:
    parsed = json.loads(with_intermediates(np.ones((2, 4), np.float32)).to_json())
    parsed["rules"][field] = value
    with pytest.raises(SpecError, match=field):
        Golden.from_json(json.dumps(parsed))


@pytest.mark.parametrize(
    "boxes", [np.ones((0, 4), np.float32), np.ones(4, np.float32), np.full((1, 4), np.nan)]
)
def test_intermediate_values_without_boxes_are_refused(boxes: np.ndarray) -> None:
    with pytest.raises(SpecError, match="the intermediate values have no boxes"):
        Golden.from_json(with_intermediates(boxes).to_json())
