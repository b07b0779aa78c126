from __future__ import annotations

import pytest
import torch
from torch import Tensor

from edgeseg.models.checkpoints.weight_names import average_of, is_average, serves_training, spelled


def weights(*names: str) -> dict[str, Tensor]:
    return {name: torch.tensor([float(index)]) for index, name in enumerate(names)}


@pytest.mark.parametrize(
    "both",
    [
        ("model.a", "ema_model.a"),
        ("a", "ema.a"),
        ("model.student.a", "model.teacher.a", "criterion.weight"),
        ("model.a", "ema_model.n_averaged", "ema_model.module.a"),  # torch.optim.swa_utils within a module
        ("ema.initted", "ema.step", "ema.online_model.a", "ema.ema_model.a"),  # ema_pytorch
    ],
)
def test_the_average_is_taken_out_of_names_that_tell_both_apart(both: tuple[str, ...]) -> None:
    named = weights(*both)
    averaged = next(name for name in reversed(both) if "ema" in name.split(".a")[0] or "teacher" in name)

    assert {key: value for key, value in average_of(named).items() if key.endswith("a")}.popitem()[
        1
    ] is named[averaged]


def test_there_is_no_average_in_plain_weights() -> None:
    assert average_of(weights("model.a", "step")) == {}


def test_averages_and_what_serves_training_are_told_by_words() -> None:
    assert all(map(is_average, ("ema", "model_ema", "teacher", "teacher_model", "ema2")))
    assert not any(map(is_average, ("emanet", "emau", "schema", "model", "student")))
    assert all(
        map(
            serves_training, ("criterion.weight", "model.dice_loss.w", "aux_classifier.0.weight", "val_iou.c")
        )
    )
    assert not any(
        map(serves_training, ("head.weight", "classifier.4.weight", "lossless.weight", "auxin.bias"))
    )


def test_old_and_compiled_spellings_are_those_of_the_network() -> None:
    wanted = {"roi_heads.mask_head.0.0.weight", "fpn.a.weight"}
    assert spelled("roi_heads.mask_head.mask_fcn1.weight", wanted) == "roi_heads.mask_head.0.0.weight"
    assert spelled("fpn._orig_mod.a.weight", wanted) == "fpn.a.weight"
    assert spelled("fpn.module.a._orig_mod.weight", wanted) == "fpn.a.weight"
    assert spelled("other.module.weight", wanted) == "other.module.weight"
    assert spelled("fpn_module.a.weight", wanted) == "fpn_module.a.weight"
