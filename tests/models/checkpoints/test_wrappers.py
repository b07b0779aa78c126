"""What wrappers write into names is taken off in any order; a network's own names stay."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor

from edgeseg.errors import CheckpointError
from edgeseg.models.checkpoints.wrappers import unwrapped

NAMES = ("encoder.conv.weight", "encoder.norm.num_batches_tracked", "head.weight")


def _named(names: tuple[str, ...] | list[str]) -> dict[str, Tensor]:
    return {name: torch.zeros(1) for name in names}


WRAPPERS = ("module.", "model.", "_orig_mod.", "base_model.model.", "net.")


@pytest.mark.parametrize("wrappers", list(itertools.permutations(WRAPPERS, 3)))
def test_wrappers_are_taken_off_in_any_order(wrappers: tuple[str, ...]) -> None:
    before = "".join(wrappers)
    assert tuple(unwrapped(_named([before + name for name in NAMES]), "w.pth").weights) == NAMES


def test_losses_and_averages_beside_the_network_are_left_out() -> None:
    weights = _named([*(f"model.{name}" for name in NAMES), "criterion.weight", "ema_model.head.weight"])
    found = unwrapped(weights, "w.pth")
    assert tuple(found.weights) == NAMES
    average, loss = sorted(found.notes("w.pth"), reverse=True)
    assert average.endswith("under ema_model (--ema takes it)")
    assert loss == "left out: criterion, which serve training alone"


def test_a_counter_of_an_averaged_model_is_left_out() -> None:
    weights = _named(["n_averaged", *(f"module.{name}" for name in NAMES)])
    assert tuple(unwrapped(weights, "w.pth").weights) == NAMES


def test_compiled_parts_have_their_own_names() -> None:
    weights = _named(["encoder._orig_mod.conv.weight", "head._orig_mod.weight", "neck.module.weight"])
    assert list(unwrapped(weights, "w.pth").weights) == [
        "encoder.conv.weight",
        "head.weight",
        "neck.module.weight",
    ]


@pytest.mark.parametrize(
    "names",
    [
        ("model.0.conv.weight", "model.1.submodule.0.weight"),  # a sequence that the network calls its model
        ("backbone.conv.weight", "backbone.norm.weight"),
        ("model.weight", "model.bias"),
        ("model.conv.weight", "classifier.weight"),
    ],
)
def test_a_networks_own_names_stay(names: tuple[str, ...]) -> None:
    assert tuple(unwrapped(_named(names), "w.pth").weights) == names


def test_a_sequence_within_a_wrapper_keeps_its_own_name() -> None:
    weights = _named(["model.model.0.conv.weight", "model.model.1.conv.weight"])
    assert list(unwrapped(weights, "w.pth").weights) == ["model.0.conv.weight", "model.1.conv.weight"]


def test_a_module_that_peft_trained_whole_takes_the_place_of_the_original() -> None:
    weights = _named(
        [
            "base_model.model.encoder.conv.weight",
            "base_model.model.head.original_module.weight",
            "base_model.model.head.modules_to_save.default.weight",
        ]
    )
    assert list(unwrapped(weights, "w.pth").weights) == ["encoder.conv.weight", "head.weight"]


@pytest.mark.parametrize("part", ["lora_A.default.weight", "base_layer.weight"])
def test_adapters_that_are_not_merged_are_refused_with_the_fix(part: str) -> None:
    weights = _named(["base_model.model.encoder.conv.weight", f"base_model.model.encoder.query.{part}"])
    with pytest.raises(CheckpointError, match=r"merge_and_unload\(\)\.state_dict\(\)"):
        unwrapped(weights, "w.pth")
