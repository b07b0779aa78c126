"""Checkpoints: turn a file of trained weights into a state dict, without ever running code from the file.

Training scripts save weights in many wrappers. This looks through them: safetensors and PyTorch files (told
apart by their first bytes), the entry of a larger dictionary, moving averages, and the prefixes that
`DataParallel` and `torch.compile` put before every name.
"""

from __future__ import annotations

import argparse
import pickle
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.torch
import torch
from torch import Tensor

from edgeseg.bundle import sha256_of
from edgeseg.errors import CheckpointError

WEIGHT_ENTRIES = (
    "state_dict",
    "model_state_dict",
    "model_state",
    "model",
    "network",
    "net",
    "weights",
    "params",
)
AVERAGE_ENTRIES = (
    "ema",
    "model_ema",
    "ema_model",
    "ema_state_dict",
    "state_dict_ema",
    "model_ema_state_dict",
    "ema_model_state_dict",
    "params_ema",
)
INNER_ENTRIES = (*WEIGHT_ENTRIES, "module", "shadow_params")

ZIP_MAGIC = b"PK\x03\x04"  # torch.save since 1.6
PICKLE_MAGIC = b"\x80\x02"  # torch.save before
SAFETENSORS_HEADER_AT = 8  # bytes: a little-endian length, then JSON
SHOWN = 3  # names in a message

_NUMPY_SCALAR: Any = np.float64(0).__reduce__()[0]
HARMLESS_TYPES: list[Any] = [
    # What training scripts keep beside the weights: their arguments, and scores as numpy scalars.
    argparse.Namespace,
    np.dtype,
    *(type(np.dtype(name)) for name in ("float64", "float32", "int64", "int32", "bool")),
    (_NUMPY_SCALAR, "numpy.core.multiarray.scalar"),
    (_NUMPY_SCALAR, "numpy._core.multiarray.scalar"),
]

CLASSIFIERS = (
    "outc.conv.weight",  # U-Net
    "classifier.4.weight",  # DeepLabV3
    "classifier.classifier.3.weight",  # DeepLabV3+
    "roi_heads.box_predictor.cls_score.weight",  # Mask R-CNN
)


@dataclass(frozen=True)
class Checkpoint:
    """The weights of one file.

    Attributes:
        path: of the file.
        sha256: of the file, in hexadecimal.
        weights: tensors by name, on the CPU, in the file's own dtypes, without wrapper prefixes.
        entry: the dictionary entry they were found in, such as `model` or `ema.module`; empty if the file
            holds nothing else.
        averaged: whether that entry is a moving average (EMA) of the weights.
    """

    path: Path
    sha256: str
    weights: dict[str, Tensor]
    entry: str
    averaged: bool


def read_checkpoint(path: str | Path, *, ema: bool = False) -> Checkpoint:
    """Read the weights in a file.

    Args:
        path: a `.safetensors` file or one that `torch.save` wrote, whatever its name.
        ema: take the moving average where the file has both; without it, the average is taken only where the
            file has nothing else.

    Raises:
        CheckpointError: if there is no such file, it is damaged, it would have to run code to be read, or it
            holds no weights (or no average, if asked for).
    """
    path = Path(path)
    content = _read(path)
    entry, weights = _find_weights(content, path, ema=ema)
    return Checkpoint(
        path=path,
        sha256=sha256_of(path),
        weights=without_prefixes(weights),
        entry=entry,
        averaged=entry.split(".")[0] in AVERAGE_ENTRIES,
    )


def without_prefixes(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Take the names apart from what `DataParallel`, weight averaging and `torch.compile` put before them."""
    # An averaged model also counts its updates.
    plain = {key.replace("_orig_mod.", ""): value for key, value in weights.items() if key != "n_averaged"}
    while plain and all(key.startswith("module.") for key in plain):
        plain = {key.removeprefix("module."): value for key, value in plain.items()}
    return plain


def num_classes_of(weights: Mapping[str, Tensor]) -> int | None:
    """Read the number of classes from the last layer of a U-Net, a DeepLab or a Mask R-CNN.

    Returns:
        The classes, background included; 1 for a binary U-Net with a sigmoid; None for any other network.
    """
    return next((weights[key].shape[0] for key in CLASSIFIERS if key in weights), None)


def name_a_few(names: list[str]) -> str:
    """List the first few names and count the rest."""
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more} more" if more > 0 else "")


def _read(path: Path) -> Any:
    try:
        with path.open("rb") as file:
            head = file.read(SAFETENSORS_HEADER_AT + 1)
    except OSError as error:
        raise CheckpointError(f"cannot read {path}: {error.strerror}") from error
    if not head:
        raise CheckpointError(f"{path} is empty; download or save it again")
    if head.startswith((ZIP_MAGIC, PICKLE_MAGIC)):
        return _read_torch(path)
    if head[SAFETENSORS_HEADER_AT:] == b"{":
        return _read_safetensors(path)
    raise CheckpointError(f"{path} is neither a safetensors nor a PyTorch file")


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        return safetensors.torch.load_file(path)
    except safetensors.SafetensorError as error:
        raise CheckpointError(f"{path} is damaged ({error}); download or save it again") from error


def _read_torch(path: Path) -> Any:
    if _is_torchscript(path):
        raise CheckpointError(
            f"{path} is a TorchScript program, not weights; save them with "
            "torch.save(torch.jit.load(PATH).state_dict(), NEW_PATH)"
        )
    try:
        # Open: by its name alone, torch would take any `.safetensors` for one.
        with path.open("rb") as file, torch.serialization.safe_globals(HARMLESS_TYPES):
            return torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        objects = re.findall(r"(?:GLOBAL|global:?|`?Unsupported class) `?([\w.]+\.\w+)", str(error))
        held = f" such as {objects[0]}" if objects else ""
        raise CheckpointError(
            f"{path} holds Python objects{held}, which would run code when opened; where you trust it, "
            "save the weights alone: torch.save(model.state_dict(), PATH)"
        ) from error
    except (RuntimeError, EOFError, ValueError, KeyError, OSError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CheckpointError(f"{path} is damaged ({reason}); download or save it again") from error


def _is_torchscript(path: Path) -> bool:
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith("/constants.pkl") for name in archive.namelist())


def _find_weights(content: Any, path: Path, *, ema: bool) -> tuple[str, dict[str, Tensor]]:
    """Find the state dict in what a file holds; also say in which entry."""
    if not isinstance(content, Mapping):
        raise CheckpointError(f"{path} holds a {type(content).__name__}, not a state dict")
    if weights := _tensors_of(content):
        if ema:
            raise CheckpointError(
                f"{path} holds weights alone, no moving average; leave out the wish for one"
            )
        return "", weights
    averages = [key for key in AVERAGE_ENTRIES if isinstance(content.get(key), Mapping)]
    plain = [key for key in WEIGHT_ENTRIES if isinstance(content.get(key), Mapping)]
    if ema and not averages:
        raise CheckpointError(f"{path} holds no moving average, only {name_a_few(list(map(str, content)))}")
    for key in averages if ema else [*plain, *averages]:
        inner, entry = content[key], key
        while not _tensors_of(inner):
            deeper = next((k for k in INNER_ENTRIES if isinstance(inner.get(k), Mapping)), None)
            if deeper is None:
                break
            inner, entry = inner[deeper], f"{entry}.{deeper}"
        if weights := _tensors_of(inner):
            return entry, weights
    entries = name_a_few([str(key) for key in content]) or "nothing"
    raise CheckpointError(
        f"{path} holds no weights that edgeseg can find; its entries are {entries}. "
        "Save the weights alone: torch.save(model.state_dict(), PATH)"
    )


def _tensors_of(entry: Mapping[Any, Any]) -> dict[str, Tensor]:
    """Take the tensors of a state dict; what scripts add to it, such as milesial's `mask_values`, is left."""
    return {key: value for key, value in entry.items() if isinstance(key, str) and isinstance(value, Tensor)}
