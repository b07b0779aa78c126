"""Checkpoints: turn a file of trained weights into a state dict, without ever running code from the file.

Training scripts save weights in many wrappers. This looks through them: safetensors and PyTorch files (told
apart by their first bytes), and folders of them. Entries of a larger dictionary are the matter of
`weight_entries.py`, what stands before the names that of `weight_names.py`, Python objects beside the weights
that of `foreign_objects.py`, settings beside them that of `beside.py`.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import pickle
import re
import warnings
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from edgeseg.errors import CheckpointError, name_a_few, one_line, shown
from edgeseg.limits import refuse_above
from edgeseg.models.checkpoints.array_pickle import read_arrays
from edgeseg.models.checkpoints.beside import plain_values
from edgeseg.models.checkpoints.detector_anchors import find_anchors
from edgeseg.models.checkpoints.folder import find_shards
from edgeseg.models.checkpoints.foreign_objects import (
    MOST_NAMES,
    PROTOCOL,
    SAVE_WEIGHTS_ALONE,
    ForeignObjects,
    find_foreign_objects,
    refused_objects,
    stand_ins,
)
from edgeseg.models.checkpoints.weight_entries import entry_notes, find_weights, is_averaged
from edgeseg.reading import hash_of, reading, reason_of, refuse_zip_bomb, unchanged

ZIP_MAGIC = b"PK\x03\x04"  # torch.save since 1.6
PICKLE_MAGICS = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")  # torch.save before, and pickle.dump
LEGACY_MAGIC = (0x1950A86A20F9469CFC6C).to_bytes(10, "little")  # the first of the pickles torch.save wrote
LEGACY_MAGIC_WITHIN = 32  # bytes
SAFETENSORS_HEADER_AT = 8  # bytes: a little-endian length, then JSON
BYTE_ARRAY = "builtins.bytearray"
SAVE_AGAIN = "download or save it again"
FOREIGN_OBJECT = re.compile(r"GLOBAL ([\w.]+)")  # in the words of torch

CLASSIFIERS = (
    "outc.conv.weight",  # U-Net
    "classifier.4.weight",  # DeepLabV3
    "classifier.classifier.3.weight",  # DeepLabV3+
    "roi_heads.box_predictor.cls_score.weight",  # Mask R-CNN
)


@dataclass(frozen=True)
class Checkpoint:
    """The weights of one file, or of a folder.

    Attributes:
        path: of the file or folder.
        sha256: of the file, in hexadecimal; of the list of their hashes where there are several.
        weights: tensors by the file's own names, on the CPU, in the file's own dtypes.
        entry: the dictionary entry they were found in, such as `model` or `ema.module`; empty if the file
            holds nothing else.
        averaged: whether they are a moving average (EMA) of the weights.
        skipped: classes of the Python objects in the file; none of them was made.
        anchors: `anchor_sizes` and `aspect_ratios`, as far as they are stored beside the weights.
        beside: the file's further entries, as far as they hold text and numbers: settings, class names.
        notes: what a user should know: what was passed over, left out, or assumed.
    """

    path: Path
    sha256: str
    weights: dict[str, Tensor]
    entry: str
    averaged: bool
    skipped: tuple[str, ...] = ()
    anchors: Mapping[str, Any] = field(default_factory=dict)
    beside: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def read_checkpoint(path: str | Path, *, ema: bool = False) -> Checkpoint:
    """Read the weights in a file, or in a folder.

    Args:
        path: a `.safetensors` file or one that `torch.save` wrote, whatever its name; or a folder that holds
            one, or shards and their index.
        ema: take the moving average where the file has both; without it, the average is taken only where the
            file has nothing else.

    Raises:
        CheckpointError: if there is no such file, it is damaged, it would have to run code to be read, or it
            holds no weights (or no average, if asked for).
    """
    path = Path(path)
    return _read_folder(path, ema=ema) if path.is_dir() else _read_file(path, ema=ema)


def _read_folder(folder: Path, *, ema: bool) -> Checkpoint:
    """Read a folder's file of weights, or its shards as one file."""
    shards = find_shards(folder)
    parts = [_read_file(file, ema=ema) for file in shards.files]
    if len(parts) == 1:
        return dataclasses.replace(parts[0], path=folder)
    weights = {name: tensor for part in parts for name, tensor in part.weights.items()}
    if lost := [name for name in shards.index if name not in weights]:
        raise CheckpointError(
            f"the shards of {folder} lack {name_a_few(lost)}, which its index lists; {SAVE_AGAIN}"
        )
    hashes = "".join(f"{part.sha256}  {part.path.name}\n" for part in parts)
    return Checkpoint(
        path=folder,
        sha256=hashlib.sha256(hashes.encode()).hexdigest(),
        weights=weights,
        entry="",
        averaged=False,
        notes=tuple(note for part in parts for note in part.notes),
    )


def _read_file(path: Path, *, ema: bool) -> Checkpoint:
    with (
        reading(path, CheckpointError, what="a checkpoint", fix=SAVE_AGAIN),
        unchanged(path, CheckpointError) as file,
    ):
        sha256 = hash_of(file)
        content, skipped = _read(path)
        entry, weights = find_weights(content, path, ema=ema)
        _refuse_huge(weights, path, os.fstat(file.fileno()).st_size)
        averaged = ema or is_averaged(entry, weights)
        notes = entry_notes(content, path, entry, averaged=averaged, ema=ema)
        anchors = find_anchors(content)
        beside = {**_metadata(path), **plain_values(content)}
    return Checkpoint(
        path=path,
        sha256=sha256,
        weights=weights,
        entry=entry,
        averaged=averaged,
        skipped=tuple(map(one_line, skipped)),
        anchors=anchors,
        beside=beside,
        notes=tuple(map(one_line, notes)),
    )


def num_classes_of(weights: Mapping[str, Tensor]) -> int | None:
    """Read the number of classes from the last layer of a U-Net, a DeepLab or a Mask R-CNN.

    Returns:
        The classes, background included; 1 for a binary U-Net with a sigmoid; None for any other network.
    """
    last = next((weights[key] for key in CLASSIFIERS if key in weights), None)
    return last.shape[0] if last is not None and last.ndim else None


def _read(path: Path) -> tuple[Any, list[str]]:
    """Read what a file holds, and the classes of the objects in it that were skipped."""
    with path.open("rb") as file:
        head = file.read(max(map(len, (ZIP_MAGIC, *PICKLE_MAGICS))))
    if not head:
        raise CheckpointError(f"{path} is empty; download or save it again")
    if _is_safetensors(path):
        return _read_safetensors(path), []
    if head.startswith((ZIP_MAGIC, *PICKLE_MAGICS)):
        return _read_torch(path)
    raise CheckpointError(f"{path} is neither a safetensors nor a PyTorch file")


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    return safetensors.torch.load_file(path)


def _metadata(path: Path) -> dict[str, Any]:
    """Give the texts in the header of a safetensors file, as `metadata`; nothing of another file."""
    if not _is_safetensors(path):
        return {}
    with safetensors.safe_open(path, framework="pt") as file:
        texts = file.metadata()
    return {"metadata": dict(texts)} if texts else {}


def _is_safetensors(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(SAFETENSORS_HEADER_AT + 1)
    return head[SAFETENSORS_HEADER_AT:] == b"{"  # the length before it may look like a pickle's beginning


def _read_torch(path: Path) -> tuple[Any, list[str]]:
    if not zipfile.is_zipfile(path) and not _is_legacy_torch(path):
        return read_arrays(path), []
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            refuse_zip_bomb(archive, path.stat().st_size, str(path), CheckpointError)
    objects = find_foreign_objects(path)
    if objects.code or len(objects.uses) > MOST_NAMES:
        raise refused_objects(path, objects.code or objects.replaced)
    if objects.uses.get(BYTE_ARRAY):
        raise CheckpointError(
            f"{path} makes a bytearray, which a few bytes of a file can make larger than memory; "
            f"{SAVE_WEIGHTS_ALONE}"
        )
    try:
        if _is_torchscript(path):
            raise CheckpointError(
                f"{path} is a TorchScript program, not weights; save them with "
                "torch.save(torch.jit.load(PATH).state_dict(), NEW_PATH)"
            )
        # Open: by its name alone, torch would take any `.safetensors` for one.
        with path.open("rb") as file, stand_ins(objects), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a pickle protocol it does not know; below, if it matters
            return torch.load(file, map_location="cpu", weights_only=True), objects.replaced
    except CheckpointError:
        raise
    except Exception as error:  # a damaged file can make the readers of zip and pickle raise anything
        raise _explain(path, objects, error) from error


def _explain(path: Path, objects: ForeignObjects, error: Exception) -> CheckpointError:
    """Say why PyTorch's reader failed: the pickle's protocol, its objects, or damage."""
    pickled = isinstance(error, pickle.UnpicklingError)
    if pickled and objects.protocol > PROTOCOL:
        return CheckpointError(
            f"{path} is a pickle of protocol {objects.protocol}, which cannot be read without running its "
            f"code; {SAVE_WEIGHTS_ALONE}"
        )
    if named := FOREIGN_OBJECT.findall(str(error)) or (objects.replaced if pickled else []):
        return refused_objects(path, named)
    reason = type(error).__name__ if pickled else reason_of(error)  # torch's advice is to trust it
    return CheckpointError(f"{path} is damaged ({reason}); {SAVE_AGAIN}")


def _refuse_huge(weights: Mapping[str, Tensor], path: Path, size: int) -> None:
    """Refuse tensors that have no values of their own, and such that share a few among very many.

    Args:
        size: of the file in bytes.
    """
    for name, tensor in weights.items():
        if tensor.layout != torch.strided or tensor.device.type != "cpu" or tensor.is_nested:
            kind = f"{tensor.layout} on {tensor.device}"
            raise CheckpointError(f"{path}: {shown(name)} is no plain tensor but {kind}; {SAVE_AGAIN} as one")
    declared = sum(tensor.numel() * tensor.element_size() for tensor in weights.values())
    refuse_above("bytes", declared - size, f"{path} with all its weights", CheckpointError)


def _is_legacy_torch(path: Path) -> bool:
    """Tell a file that PyTorch wrote before 1.6 from other pickles: it begins with a number of PyTorch's."""
    with path.open("rb") as file:
        return LEGACY_MAGIC in file.read(LEGACY_MAGIC_WITHIN)


def _is_torchscript(path: Path) -> bool:
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith("/constants.pkl") for name in archive.namelist())
