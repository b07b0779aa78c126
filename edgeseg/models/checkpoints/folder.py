"""Tell which files of a folder hold its weights: one, or shards that an index lists."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from edgeseg.errors import CheckpointError, name_a_few, shown
from edgeseg.reading import parse_json, read_text, reading

INDEX_ENDS = (".safetensors.index.json", ".bin.index.json")
USUAL = ("model.safetensors", "pytorch_model.bin", "best.pth", "model.pth")
"""Taken where a folder holds several files of weights, the first that is there."""

ENDS = (".safetensors", ".bin", ".pth", ".pt", ".ckpt", ".pkl")
ADAPTER_CONFIG = "adapter_config.json"  # of PEFT


@dataclass(frozen=True)
class Shards:
    """The files that hold a folder's weights.

    Attributes:
        files: of weights, in the index's order.
        index: for each tensor, the name of its file; empty where one file holds all.
    """

    files: tuple[Path, ...]
    index: Mapping[str, str]


def holds_weights(folder: Path) -> bool:
    """Tell whether a folder holds files of weights, or their index."""
    with reading(folder, CheckpointError, what="a folder of weights", fix="name the file of weights"):
        return any(path.name.endswith((*ENDS, *INDEX_ENDS)) for path in folder.iterdir())


def find_shards(folder: Path) -> Shards:
    """Find a folder's weights.

    Raises:
        CheckpointError: if there are none, or several, or the index is none.
    """
    with reading(folder, CheckpointError, what="a folder of weights", fix="name the file of weights"):
        names = sorted(path.name for path in folder.iterdir() if path.is_file())
    if ADAPTER_CONFIG in names:
        raise CheckpointError(
            f"{folder} holds an adapter, not the network's weights; where it was made: "
            "peft_model.merge_and_unload().save_pretrained(FOLDER)"
        )
    if index := next((name for end in INDEX_ENDS for name in names if name.endswith(end)), None):
        return _read_index(folder / index)
    weights = [name for name in names if name.endswith(ENDS)]
    chosen = next((name for name in USUAL if name in weights), None)
    if chosen is None and len(weights) == 1:
        chosen = weights[0]
    if chosen is None:
        what = f"several: {name_a_few(weights)}; name one" if weights else "none; name the file"
        raise CheckpointError(f"{folder} should hold one file of weights ({', '.join(ENDS)}), it has {what}")
    return Shards((folder / chosen,), {})


def _read_index(path: Path) -> Shards:
    """Read the list that transformers writes beside shards."""
    with reading(path, CheckpointError, what="an index of shards", fix="download it again"):
        index = dict(parse_json(read_text(path, CheckpointError), CheckpointError, str(path))["weight_map"])
        files = list(dict.fromkeys(index.values()))
        if odd := [name for name in files if not _is_beside(name)]:
            raise CheckpointError(f"{path} names a shard that is no file beside it: {shown(odd[0])}")
    if not files:
        raise CheckpointError(f"{path} lists no tensors; download it again")
    if lost := [name for name in files if not (path.parent / name).is_file()]:
        raise CheckpointError(f"{path} lists shards that are not there: {name_a_few(lost)}; download them")
    return Shards(tuple(path.parent / name for name in files), index)


def _is_beside(name: Any) -> bool:
    """Tell whether what an index names is a file in its own folder."""
    return isinstance(name, str) and PurePath(name).name == name != ".."
