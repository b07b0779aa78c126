"""Of what a network returns the tensor that counts is taken, or asked for where several may be meant."""

from __future__ import annotations

from collections import namedtuple
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from edgeseg.errors import ShapeError, UsageError
from edgeseg.models.network_outputs import choose, outputs_of, tensor_at

SIZE_HW = (12, 16)
FULL = torch.zeros(1, 2, 12, 16)
HALF = torch.zeros(1, 2, 6, 8)
ONE = torch.zeros(1, 1, 12, 16)
FLAT = torch.zeros(1, 12, 16)
LOSS = torch.tensor(1.0)
Pair = namedtuple("Pair", ["first", "second"])


@dataclass
class Returned:
    logits: Tensor
    states: tuple[Tensor, ...]
    loss: None = None


@pytest.mark.parametrize(
    ("output", "key"),
    [
        (FULL, ""),
        (FLAT, ""),
        ({"out": HALF, "aux": HALF}, "out"),
        ({"loss": LOSS, "logits": HALF, "hidden": torch.zeros(1, 64, 12, 16)}, "logits"),
        (Returned(HALF, (HALF,)), "logits"),
        ((HALF, 5), "0"),
        ([FULL, HALF, LOSS], "0"),
        ((LOSS, FULL), "1"),
        ((None, {"out": FULL}), "1.out"),
    ],
)
def test_what_cannot_be_mistaken_is_taken(output: object, key: str) -> None:
    chosen = choose(output, SIZE_HW)
    assert chosen.key == key
    assert tensor_at(output, key) is chosen.tensor


@pytest.mark.parametrize(
    "output",
    [
        (FULL, FULL),
        [HALF, FULL],
        [HALF, HALF, FULL],
        [FULL, FULL, ONE],
        Pair(FULL, FULL),
        {"out": HALF, "fine": FULL},
        {"masks": FULL},
        {"seg": FULL, "depth": ONE},
        ((HALF, FULL), HALF),
    ],
)
def test_where_several_may_be_meant_it_is_asked_for(output: object) -> None:
    with pytest.raises(UsageError, match=r"It gives .*--output-index N or --output-key NAME"):
        choose(output, SIZE_HW)


def test_the_message_lists_keys_and_shapes() -> None:
    with pytest.raises(
        UsageError, match=r"0 \(1x2x6x8\), 1\.main \(1x2x12x16\), 1\.edge \(1x1x12x16\); take"
    ):
        choose([HALF, {"main": FULL, "edge": ONE}], SIZE_HW)


@pytest.mark.parametrize(
    ("output", "wanted", "key"),
    [
        ((HALF, FULL), 1, "1"),
        ((HALF, FULL), -1, "1"),
        ((None, FULL), 1, "1"),
        ({"seg": FULL, "depth": ONE}, 1, "depth"),
        ({"seg": FULL, "depth": ONE}, "seg", "seg"),
        ([HALF, {"main": FULL}], "1.main", "1.main"),
    ],
)
def test_what_is_asked_for_is_taken(output: object, wanted: int | str, key: str) -> None:
    assert choose(output, SIZE_HW, wanted).key == key


@pytest.mark.parametrize("wanted", [2, -3, "out", ""])
def test_what_is_not_there_is_refused_with_the_list(wanted: int | str) -> None:
    with pytest.raises(UsageError, match=r"has no output .*; it gives 0 \(1x2x6x8\), 1 \(1x2x12x16\)"):
        choose((HALF, FULL), SIZE_HW, wanted)


def test_what_is_no_image_is_refused() -> None:
    with pytest.raises(UsageError, match=r"output 1 \(a number\) is not \(N, C, h, w\)"):
        choose((FULL, LOSS), SIZE_HW, 1)
    for output in (None, (), {"loss": LOSS}, torch.zeros(1, 2, 3)):
        with pytest.raises(ShapeError, match=r"must return logits \(N, C, h, w\)"):
            choose(output, SIZE_HW)


@pytest.mark.parametrize("shape", [(1, 16, 16, 2), (1, 8, 8, 5), (2, 16, 16, 1)])
def test_channels_that_come_last_are_not_taken_for_rows(shape: tuple[int, ...]) -> None:
    size_hw = (16, 16)
    with pytest.raises(ShapeError, match=r"is \(N, h, w, C\) of an image of 16x16: .*permute\(0, 3, 1, 2\)"):
        choose(torch.zeros(shape), size_hw)
    assert choose(torch.zeros(shape).permute(0, 3, 1, 2), size_hw).key == ""
    assert choose({"a": torch.zeros(1, 16, 16, 16)}, size_hw, "a").key == "a"  # as many classes as pixels


def test_all_tensors_are_listed_in_order() -> None:
    found = outputs_of({"a": [FULL, (HALF, "text")], "b": Pair(ONE, 3)})
    assert [item.key for item in found] == ["a.0", "a.1.0", "b.0"]


def test_classes_of_one_image_are_not_taken_for_images_of_one_class() -> None:
    lost = torch.zeros(3, 12, 16)  # (C, H, W): the axis of the one image was squeezed
    for output, wanted in ((lost, None), ({"out": lost}, None), ((FULL, lost), 1)):
        with pytest.raises(ShapeError, match=r"given 1 image, its output .*3x12x16.* is of 3: .*squeeze"):
            choose(output, SIZE_HW, wanted, images=1)
    assert choose(lost, SIZE_HW, images=3).tensor is lost  # one squeezed class each


def test_stacked_heads_are_refused_with_the_fix() -> None:
    with pytest.raises(ShapeError, match=r"got 1x4x2x12x16; where heads are stacked .* output\[:, 0\]"):
        choose(torch.zeros(1, 4, 2, 12, 16), SIZE_HW)
    with pytest.raises(
        UsageError, match=r"is not \(N, C, h, w\).* where heads are stacked .* output\[:, 0\]"
    ):
        choose(torch.zeros(1, 4, 2, 12, 16), SIZE_HW, 0)
