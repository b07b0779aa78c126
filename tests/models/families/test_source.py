"""A source holds the weights by the network's names, and the settings beside them."""

from __future__ import annotations

import json
from pathlib import Path

import safetensors.torch
import torch

from edgeseg.models.families.source import read_source

WEIGHTS = {"encoder.conv.weight": torch.ones(2), "head.weight": torch.ones(3)}


def test_a_file_comes_with_its_own_settings_and_those_beside_it(tmp_path: Path) -> None:
    (tmp_path / "fold_0").mkdir()
    path = tmp_path / "fold_0" / "checkpoint.pth"
    wrapped = {f"model.module.{name}": tensor for name, tensor in WEIGHTS.items()}
    torch.save({"state_dict": wrapped, "meta": {"version": "3"}}, path)
    (tmp_path / "plans.json").write_text('{"plans_name": "p"}')
    (tmp_path / "fold_0" / "config.json").write_text('{"width": 4}')
    (tmp_path / "fold_0" / "unrelated.json").write_text("{}")

    source = read_source(path)

    assert source.weights.keys() == WEIGHTS.keys()
    assert source.configs == {
        "meta": {"version": "3"},
        "plans.json": {"plans_name": "p"},
        "config.json": {"width": 4},
    }
    assert len(source.sha256) == 64


def test_a_folder_comes_with_all_its_settings(tmp_path: Path) -> None:
    safetensors.torch.save_file(WEIGHTS, tmp_path / "model.safetensors")
    for name in ("config.json", "preprocessor_config.json"):
        (tmp_path / name).write_text(json.dumps({"name": name}))
    (tmp_path / "broken.json").write_text("{")

    source = read_source(tmp_path)

    assert source.weights.keys() == WEIGHTS.keys()
    assert set(source.configs) == {"config.json", "preprocessor_config.json"}
    assert "broken.json is damaged" in source.notes[0]
    assert source.notes[0].endswith("it is not taken into account")


def test_a_prefix_chooses_among_several_networks(tmp_path: Path) -> None:
    student = {f"one.{name}": tensor for name, tensor in WEIGHTS.items()}
    teacher = {f"two.module.{name}": tensor + 1 for name, tensor in WEIGHTS.items()}
    torch.save({**student, **teacher}, tmp_path / "w.pth")
    source = read_source(tmp_path / "w.pth", prefix="two")
    assert source.weights.keys() == WEIGHTS.keys()
    assert source.weights["head.weight"][0] == 2
