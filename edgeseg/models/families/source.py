"""Turn a file or folder of weights, and the settings that lie beside them, into a `Source`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from edgeseg.errors import CheckpointError, one_line
from edgeseg.models.checkpoints.checkpoint import Checkpoint, read_checkpoint
from edgeseg.models.checkpoints.loading import existing_prefix
from edgeseg.models.checkpoints.wrappers import unwrapped
from edgeseg.models.families.config_files import read_config
from edgeseg.models.families.family import Source
from edgeseg.models.families.training_folders import configs_of_bundle, weights_in

BESIDE_A_FILE = (
    "config.json",
    "preprocessor_config.json",
    "config.yaml",
    "config.yml",
    "hparams.yaml",
    "plans.json",
    "dataset.json",
)
"""Settings that count beside a file of weights; of a folder, every JSON and YAML file does."""

CONFIG_ENDS = (".json", ".yaml", ".yml")
PLANNED = ("plans.json", "dataset.json", "hparams.yaml")
"""Settings that trainers also write one folder above the weights."""


def read_source(
    path: str | Path,
    *,
    ema: bool = False,
    prefix: str | None = None,
    arguments: Mapping[str, Any] = MappingProxyType({}),
) -> Source:
    """Read weights and what lies beside them; nothing of it is run.

    Args:
        path: a file, or a folder as transformers and others write it.
        arguments: after the network's name, of which one may choose among the files of a folder.
        ema: take the moving average where the file holds one.
        prefix: take the weights whose names begin so.

    Raises:
        CheckpointError: if the weights cannot be read.
    """
    checkpoint = read_checkpoint(weights_in(Path(path), arguments), ema=ema)
    return source_of(checkpoint, prefix=prefix)


def source_of(checkpoint: Checkpoint, *, prefix: str | None = None) -> Source:
    """Put a checkpoint, whose weights are read, with the settings beside it."""
    path = checkpoint.path
    weights = checkpoint.weights
    if prefix:
        whole = existing_prefix(prefix, checkpoint)
        weights = {
            name.removeprefix(whole): tensor for name, tensor in weights.items() if name.startswith(whole)
        }
    own = unwrapped(weights, path)
    files = {file.name: _read_or_explain(file) for file in _config_files(path)}
    unread = [config for config in files.values() if isinstance(config, CheckpointError)]
    unread_notes = [f"{error}; it is not taken into account" for error in unread]
    read = {name: config for name, config in files.items() if not isinstance(config, CheckpointError)}
    return Source(
        path=path,
        weights=own.weights,
        configs={**checkpoint.beside, **read},
        sha256=checkpoint.sha256,
        notes=tuple(map(one_line, (*checkpoint.notes, *own.notes(path), *unread_notes))),
        anchors=checkpoint.anchors,
    )


def _read_or_explain(file: Path) -> Any:
    """Read settings, or give the error that says why they cannot be read."""
    try:
        return read_config(file)
    except CheckpointError as error:
        return error


def _config_files(path: Path) -> list[Path]:
    """List the settings of a folder, or those beside a file."""
    if path.is_dir():
        files = [file for file in sorted(path.iterdir()) if file.name.endswith(CONFIG_ENDS)]
        return [file for file in files if not file.name.endswith(".index.json") and file.is_file()]
    folder = path.absolute().parent
    above = [folder.parent / name for name in PLANNED]
    beside = [folder / name for name in BESIDE_A_FILE]
    return [file for file in (*above, *configs_of_bundle(path.absolute()), *beside) if file.is_file()]
