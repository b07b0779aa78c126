"""What lies beside weights is read as far as it is plain."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import safetensors.torch
import torch

from edgeseg.models.checkpoints.beside import LONGEST, plain_values
from edgeseg.models.checkpoints.checkpoint import read_checkpoint


def test_settings_and_names_are_kept_and_tensors_are_not() -> None:
    content = {
        "state_dict": {"weight": torch.ones(2)},
        "meta": {"CLASSES": ("road", "car"), "epoch": 3, "palette": [[1, 2, 3]], "object": object()},
        "optimizer": {"state": {0: torch.ones(2)}},
        "none": None,
    }
    assert plain_values(content) == {
        "meta": {"CLASSES": ["road", "car"], "epoch": 3, "palette": [[1, 2, 3]]},
        "none": None,
    }


def test_what_is_too_long_or_deep_is_left_out() -> None:
    deep: Any = 1
    for _ in range(30):
        deep = {"in": deep}
    assert plain_values({"long": [0] * (LONGEST + 1), "deep": deep, "kept": 1}) == {"kept": 1}


def test_a_checkpoint_brings_its_settings(tmp_path: Path) -> None:
    torch.save(
        {"state_dict": {"a.weight": torch.ones(2)}, "hyper_parameters": {"encoder": "resnet18"}},
        tmp_path / "w.ckpt",
    )
    assert read_checkpoint(tmp_path / "w.ckpt").beside == {"hyper_parameters": {"encoder": "resnet18"}}


def test_texts_of_a_safetensors_header_are_read(tmp_path: Path) -> None:
    safetensors.torch.save_file(
        {"a.weight": torch.ones(2)}, tmp_path / "w.safetensors", {"names": "road car"}
    )
    assert read_checkpoint(tmp_path / "w.safetensors").beside == {"metadata": {"names": "road car"}}
