"""Turn all that a checkpoint holds into its state dict, and say what was passed over for it.

Training scripts save weights in entries of a larger dictionary, and a moving average beside them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from edgeseg.errors import CheckpointError, name_a_few
from edgeseg.models.checkpoints.foreign_objects import StandIn, refused_objects
from edgeseg.models.checkpoints.weight_names import AVERAGES, average_of, is_average

WEIGHT_ENTRIES = (
    "state_dict",
    "model_state_dict",
    "model_state",
    "model",
    "module",
    "network",
    "network_weights",  # nnU-Net's
    "net",
    "weights",
    "params",
    "student",
)
NAMELESS_AVERAGE = "shadow_params"  # torch_ema's: a list of tensors in the order of parameters()
DEEPEST_ENTRY = 3  # dictionaries within a dictionary
ARRAY = re.compile(r"numpy\..*\b_reconstruct")


def find_weights(content: Any, path: Path, *, ema: bool) -> tuple[str, dict[str, Tensor]]:
    """Find the state dict in what a file holds; also say in which entry.

    Args:
        content: of the file, as PyTorch's reader gives it.
        path: of the file, for messages.
        ema: take the moving average.

    Raises:
        CheckpointError: if there are no weights, or no moving average where it is wanted.
    """
    if isinstance(content, StandIn):
        raise refused_objects(path, [content.replaced])
    if not isinstance(content, Mapping):
        raise CheckpointError(f"{path} holds a {type(content).__name__}, not a state dict")
    entries = name_a_few([str(key) for key in content]) or "nothing"
    plain = _search(content, WEIGHT_ENTRIES)
    average = _search_entries(content, AVERAGES)
    if not ema and (found := _search_entries(content, WEIGHT_ENTRIES) or average or plain):
        return found
    within = _tensors_within(content)
    if ema:
        if average:
            return average
        entry, named = plain or ("", within)
        if weights := average_of(named):
            return entry, weights
    if any(_has_nameless_average(entry) for entry in (content, *content.values())):
        raise CheckpointError(
            f"{path} holds a moving average without names ({NAMELESS_AVERAGE}, a list of tensors); where it "
            "was made: with ema.average_parameters(): torch.save(model.state_dict(), PATH)"
        )
    if ema:
        what = f"only {entries}" if plain is None or plain[0] else "it holds weights alone"
        raise CheckpointError(f"{path} holds no moving average, {what}; leave out --ema")
    if within:
        return "", within
    if _has_arrays(content):
        raise CheckpointError(
            f"{path} holds weights as arrays of NumPy, not as tensors; where you trust it, save those: "
            "torch.save({name: torch.from_numpy(array) for name, array in weights.items()}, PATH)"
        )
    if objects := [entry.replaced for entry in content.values() if isinstance(entry, StandIn)]:
        raise refused_objects(path, objects)
    raise CheckpointError(
        f"{path} holds no weights that edgeseg can find; its entries are {entries}. "
        "Save the weights alone: torch.save(model.state_dict(), PATH)"
    )


def is_averaged(entry: str, weights: Mapping[str, Tensor]) -> bool:
    """Tell by the entry, or by all names, that weights are a moving average."""
    firsts = {name.partition(".")[0] for name in weights if "." in name}
    return is_average(entry.partition(".")[0]) or (bool(firsts) and all(map(is_average, firsts)))


def entry_notes(
    content: Mapping[Any, Any], path: Path, taken: str, *, averaged: bool, ema: bool
) -> list[str]:
    """Say which weights of a file were passed over for those that were taken."""
    if ema:
        return []
    if averaged:
        return [f"{path} holds a moving average of the weights and no others: it is taken"]
    first = taken.partition(".")[0]
    others = {key: _search_entries(content, (key,)) for key in (*WEIGHT_ENTRIES, *AVERAGES) if key != first}
    averages = [key for key, found in others.items() if found and is_average(key)]
    plain = [key for key, found in others.items() if found and not is_average(key)]
    notes = []
    if averages:
        notes.append(
            f"{path} holds weights, which are taken, and their moving average, or teacher, in its entry "
            f"{', '.join(averages)} (--ema takes it)"
        )
    if plain:
        notes.append(
            f"{path} holds other weights in its entry {', '.join(plain)}; those in {taken} are taken"
        )
    return notes


def _search(entry: Mapping[Any, Any], keys: tuple[str, ...]) -> tuple[str, dict[str, Tensor]] | None:
    """Look through the known entries, then at what lies there loose: scripts save scores as tensors, too."""
    if found := _search_entries(entry, keys):
        return found
    tensors = _tensors_of(entry)
    return ("", tensors) if tensors else None


def _search_entries(entry: Mapping[Any, Any], keys: tuple[str, ...]) -> tuple[str, dict[str, Tensor]] | None:
    for key in keys:
        inner = entry.get(key)
        if isinstance(inner, Mapping) and (found := _search(inner, WEIGHT_ENTRIES)):
            return ".".join(filter(None, (key, found[0]))), found[1]
    return None


def _tensors_of(entry: Mapping[Any, Any]) -> dict[str, Tensor]:
    """Take the tensors of a state dict; what scripts add to it, such as milesial's `mask_values`, is left.

    Returns:
        Nothing if all are scalars: those are scores and counters, no network.
    """
    tensors = {k: v for k, v in entry.items() if isinstance(k, str) and isinstance(v, Tensor)}
    return tensors if any(tensor.ndim for tensor in tensors.values()) else {}


def _tensors_within(content: Mapping[Any, Any], depth: int = DEEPEST_ENTRY) -> dict[str, Tensor]:
    """Take the tensors of all entries, whatever they are called; the entry stands before their names."""
    found: dict[str, Tensor] = {}
    for key, entry in content.items():
        if isinstance(key, str) and isinstance(entry, Mapping) and depth:
            inner = {**_tensors_within(entry, depth - 1), **_tensors_of(entry)}
            found.update({f"{key}.{name}": tensor for name, tensor in inner.items()})
    return found


def _has_arrays(content: Mapping[Any, Any], depth: int = DEEPEST_ENTRY) -> bool:
    """Tell whether arrays of NumPy lie where tensors should."""
    return any(
        _has_arrays(entry, depth - 1)
        if isinstance(entry, Mapping) and depth
        else isinstance(entry, StandIn) and ARRAY.fullmatch(entry.replaced) is not None
        for entry in content.values()
    )


def _has_nameless_average(entry: Any) -> bool:
    return isinstance(entry, Mapping) and isinstance(entry.get(NAMELESS_AVERAGE), list)
