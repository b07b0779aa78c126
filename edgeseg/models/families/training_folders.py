"""Tell which file holds the weights in a folder as nnU-Net's training or a MONAI bundle has it.

    nnUNetTrainer__nnUNetPlans__2d/          bundle/
        plans.json  dataset.json                 configs/inference.json  metadata.json
        fold_0/checkpoint_final.pth              models/model.pt
        fold_1/checkpoint_final.pth

The folds of nnU-Net are networks of the same form, trained on different parts of a data set.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgeseg.errors import CheckpointError, UsageError

PLANS = "plans.json"
FOLD = "fold"  # the argument after the network's name
CHECKPOINTS = ("checkpoint_final.pth", "checkpoint_best.pth", "checkpoint_latest.pth")  # the first counts
BUNDLE_WEIGHTS, BUNDLE_CONFIGS = "models", "configs"
BUNDLE_MODEL = "model.pt"


def weights_in(path: Path, arguments: Mapping[str, Any]) -> Path:
    """Give the file of weights in a training's folder; any other path as it is.

    Args:
        path: of a file or folder.
        arguments: after the network's name; `fold` chooses among the folds of nnU-Net, by number or `all`.

    Raises:
        CheckpointError: if there is no checkpoint in the folder, or in the fold.
        UsageError: if there are several folds, and none is chosen.
    """
    if (path / PLANS).is_file() and list(path.glob("fold_*")):
        return _checkpoint(_fold(path, arguments.get(FOLD)))
    if any((path / name).is_file() for name in CHECKPOINTS):
        return _checkpoint(path)
    if (path / BUNDLE_CONFIGS).is_dir() and (path / BUNDLE_WEIGHTS / BUNDLE_MODEL).is_file():
        return path / BUNDLE_WEIGHTS / BUNDLE_MODEL
    return path


def configs_of_bundle(weights: Path) -> list[Path]:
    """List the settings of the bundle that a file of weights lies in; empty if it lies in none."""
    if weights.parent.name != BUNDLE_WEIGHTS:
        return []
    folder = weights.parent.parent / BUNDLE_CONFIGS
    return [file for file in sorted(folder.glob("*.*")) if file.suffix in (".json", ".yaml", ".yml")]


def _fold(folder: Path, wanted: Any) -> Path:
    folds = {path.name.removeprefix("fold_"): path for path in sorted(folder.glob("fold_*")) if path.is_dir()}
    if wanted is None and len(folds) == 1:
        return next(iter(folds.values()))
    if wanted is None or str(wanted) not in folds:
        reason = "one has to be chosen" if wanted is None else f"there is no {wanted}"
        raise UsageError(
            f"{folder} holds the folds {', '.join(folds)}, networks that nnU-Net averages: {reason}, such as "
            f"'nnunet?{FOLD}={next(iter(folds))}'"
        )
    return folds[str(wanted)]


def _checkpoint(fold: Path) -> Path:
    found = next((fold / name for name in CHECKPOINTS if (fold / name).is_file()), None)
    if found is None:
        raise CheckpointError(f"{fold} holds none of {', '.join(CHECKPOINTS)}; take another fold")
    return found
