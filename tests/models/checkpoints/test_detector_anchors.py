"""What a file shows of its anchors is compared; what it does not hold is said."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from edgeseg.errors import CheckpointError
from edgeseg.models import zoo
from edgeseg.models.anchors import cell_anchors
from edgeseg.models.checkpoints.detector_anchors import describe_anchors, find_anchors
from edgeseg.models.checkpoints.loading import open_network

NAME = "maskrcnn_mobilenet_v3_large_fpn?representation_size=8&mask_channels=(8,)&mask_hidden_channels=8"
SIZES = ((32, 64, 128, 256, 512),) * 3
SMALL = ((8, 16, 32, 64, 128),) * 3
RATIOS = (0.5, 1.0, 2.0)


@pytest.fixture(scope="module")
def weights() -> dict[str, Tensor]:
    """Of a detector with three classes and slim heads, all 0."""
    with torch.device("meta"):
        state = zoo.create(NAME, num_classes=3).module.state_dict()
    return {name: torch.zeros(value.shape, dtype=value.dtype) for name, value in state.items()}


def opened(folder: Path, content: Any, name: str = NAME) -> tuple[Any, tuple[str, ...]]:
    torch.save(content, folder / "w.pth")
    network, checkpoint = open_network(name, folder / "w.pth")
    return network.module.anchors(), checkpoint.notes


def test_assumed_anchors_are_said_until_they_are_given(tmp_path: Path, weights: dict[str, Tensor]) -> None:
    anchors, (note,) = opened(tmp_path, weights)
    assert anchors == {"anchor_sizes": SIZES, "aspect_ratios": RATIOS}
    assert "weights do not hold the sizes of anchors" in note
    assert "aspect ratios 0.5, 1, 2" in note

    given = note.partition("in this form: '")[2].removesuffix("'").replace("512", "500")
    anchors, notes = opened(tmp_path, weights, given)
    assert anchors["anchor_sizes"][0][-1] == 500
    assert notes == ()


@pytest.mark.parametrize("ratios", [[0.5, 1.0, 2.0], [[0.5, 1.0, 2.0]] * 3])
def test_anchors_stored_beside_the_weights_are_taken_and_said(
    tmp_path: Path, weights: dict[str, Tensor], ratios: Any
) -> None:
    stored = {"anchor_sizes": [list(row) for row in SMALL], "aspect_ratios": ratios}
    content = {"state_dict": weights, "hyper_parameters": {"model": stored}, "args": argparse.Namespace(lr=1)}

    anchors, (note,) = opened(tmp_path, content)

    assert anchors == {"anchor_sizes": SMALL, "aspect_ratios": RATIOS}
    assert "stored in the file: sizes 8,16,32,64,128 | " in note


def test_another_number_of_anchors_is_refused_with_the_form_to_give_them_in(
    tmp_path: Path, weights: dict[str, Tensor]
) -> None:
    of_head = {
        name: value for name, value in weights.items() if "rpn.head.cls" in name or "rpn.head.bbox" in name
    }
    fewer = {name: torch.zeros(len(value) // 5 * 3, *value.shape[1:]) for name, value in of_head.items()}

    with pytest.raises(
        CheckpointError, match=r"have 9 anchors a cell .* 15; .*anchor_sizes=\(\(32,64,128,256,512"
    ):
        opened(tmp_path, {**weights, **fewer})
    anchors, _ = opened(
        tmp_path, {**weights, **fewer}, f"{NAME}&anchor_sizes=((8,16,32),(8,16,32),(8,16,32))"
    )
    assert anchors["anchor_sizes"] == ((8, 16, 32),) * 3


def test_anchors_stored_as_buffers_are_compared(tmp_path: Path, weights: dict[str, Tensor]) -> None:
    def buffers(sizes: tuple[tuple[int, ...], ...]) -> dict[str, Tensor]:
        cells = [torch.from_numpy(cell_anchors(level, RATIOS)).flip(0) for level in sizes]
        return {f"rpn.anchor_generator.cell_anchors.{i}": cell for i, cell in enumerate(cells)}

    assert opened(tmp_path, {**weights, **buffers(SIZES)})[1] == ()
    with pytest.raises(
        CheckpointError, match=r"trained with anchors of 8,16,32,64,128 \| .* the network has sizes 32"
    ):
        opened(tmp_path, {**weights, **buffers(SMALL)})


def test_what_a_file_shows_of_its_anchors_is_described(weights: dict[str, Tensor]) -> None:
    assert describe_anchors(weights, {}) == "15 a cell, their sizes are not in the file"
    assert describe_anchors(weights, {"anchor_sizes": ((8, 16),)}) == "15 a cell, anchor sizes ((8, 16),)"
    assert describe_anchors({"outc.conv.weight": torch.zeros(1)}, {}) == ""


@pytest.mark.parametrize(
    "value", [5, "32", [], [[]], [["a"]], [0], [-1.0], [float("inf")], [True], [[1], 2], {"a": [1]}]
)
def test_what_is_no_anchor_size_is_passed_over(value: Any) -> None:
    assert find_anchors({"anchor_sizes": value}) == {}


def test_anchors_of_published_weights_need_no_word() -> None:
    for name, digest in (("maskrcnn_resnet50_fpn", "bf2d0c1e"), ("maskrcnn_resnet50_fpn_v2", "73cbd019")):
        assert not zoo.has_unsaid_anchors(name, sha256=digest + "0" * 56)
        assert zoo.has_unsaid_anchors(name, sha256="0" * 64)
    assert not zoo.has_unsaid_anchors("demo_maskrcnn", sha256="0" * 64)
    assert not zoo.has_unsaid_anchors("unet", sha256="0" * 64)
