"""Folders as nnU-Net's training and MONAI bundles leave them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from edgeseg.errors import CheckpointError, UsageError
from edgeseg.models.families.source import read_source
from edgeseg.models.families.training_folders import weights_in


def results(folder: Path, *folds: str) -> Path:
    """Write nnU-Net's results, with a checkpoint as its trainer saves it."""
    for name in ("plans.json", "dataset.json"):
        (folder / name).write_text(json.dumps({"from": name}))
    for index, fold in enumerate(folds):
        (folder / f"fold_{fold}").mkdir()
        weights = {"decoder.seg_layers.0.weight": torch.full((2, 4, 1, 1), float(index))}
        saved = {"network_weights": weights, "optimizer_state": {}, "init_args": {"fold": index}}
        torch.save(saved, folder / f"fold_{fold}" / "checkpoint_final.pth")
    return folder


def test_the_only_fold_is_taken_with_the_plans_above_it(tmp_path: Path) -> None:
    source = read_source(results(tmp_path, "0"))
    assert list(source.weights) == ["decoder.seg_layers.0.weight"]
    assert source.configs["plans.json"] == {"from": "plans.json"}
    assert source.configs["init_args"] == {"fold": 0}


def test_several_folds_are_named_and_one_is_chosen(tmp_path: Path) -> None:
    folder = results(tmp_path, "0", "1", "all")
    with pytest.raises(UsageError, match=r"the folds 0, 1, all, .* 'nnunet\?fold=0'"):
        read_source(folder)
    chosen = read_source(folder, arguments={"fold": 1})
    assert chosen.weights["decoder.seg_layers.0.weight"].unique().item() == 1
    assert weights_in(folder, {"fold": "all"}).parent.name == "fold_all"
    with pytest.raises(UsageError, match="there is no 7"):
        weights_in(folder, {"fold": 7})


def test_the_final_checkpoint_of_a_fold_counts(tmp_path: Path) -> None:
    folder = results(tmp_path, "0")
    best = folder / "fold_0" / "checkpoint_best.pth"
    best.touch()
    assert weights_in(folder / "fold_0", {}).name == "checkpoint_final.pth"
    (folder / "fold_0" / "checkpoint_final.pth").unlink()
    assert weights_in(folder, {}) == best
    best.unlink()
    with pytest.raises(CheckpointError, match="take another fold"):
        weights_in(folder, {})


def test_a_bundle_is_read_with_its_configs(tmp_path: Path) -> None:
    for name in ("models", "configs"):
        (tmp_path / name).mkdir()
    torch.save({"final_conv.weight": torch.zeros(2, 4, 1, 1)}, tmp_path / "models" / "model.pt")
    (tmp_path / "configs" / "inference.json").write_text('{"device": "$torch.device(0)"}')
    source = read_source(tmp_path)
    assert source.configs["inference.json"] == {"device": "$torch.device(0)"}
    assert source.path == tmp_path / "models" / "model.pt"


def test_other_paths_stay_as_they_are(tmp_path: Path) -> None:
    assert weights_in(tmp_path, {}) == tmp_path
    assert weights_in(tmp_path / "weights.pth", {"fold": 1}) == tmp_path / "weights.pth"
