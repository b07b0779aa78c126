"""Turn a checkpoint and a network into a network with trained weights, or say exactly what does not fit."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from edgeseg.errors import CheckpointError
from edgeseg.limits import refuse_above
from edgeseg.models import zoo
from edgeseg.models.checkpoint import Checkpoint, name_a_few, num_classes_of, read_checkpoint
from edgeseg.models.weight_names import NORM_COUNTER, bare_names, match_names

FLOAT_BYTES = 4  # of a parameter
MOST_DEPTH = 32  # levels at which a network's channels may double
CLOSE_ENOUGH = 0.5  # share of tensors that must agree before another network is suggested


def open_network(
    name: str,
    path: str | Path,
    *,
    num_classes: int | None = None,
    ema: bool = False,
    **parameters: Any,
) -> tuple[zoo.Network, Checkpoint]:
    """Make a network of the zoo to the measure of its weights, and load them.

    Args:
        name: as in `zoo.create`.
        path: of the checkpoint.
        num_classes: background included; read from the weights by default.
        ema: take the moving average of the weights.
        parameters: of the network; those that the weights show are read from them by default.

    Raises:
        UsageError: if there is no such network.
        CheckpointError: if the weights cannot be read or do not fit.
    """
    checkpoint = read_checkpoint(path, ema=ema)
    shown = zoo.read_parameters(name, bare_names(checkpoint.weights), sha256=checkpoint.sha256)
    chosen = {**shown, **parameters}
    if num_classes is not None:
        chosen["num_classes"] = num_classes
    if ":" not in name:
        _refuse_huge(name, chosen, checkpoint.weights, str(path))
    network = zoo.create(name, **chosen)
    load_weights(network.module, checkpoint.weights, source=str(path))
    return network, checkpoint


def load_weights(module: nn.Module, weights: Mapping[str, Tensor], *, source: str = "the checkpoint") -> None:
    """Load weights into a module: all of them, into all of it.

    Names are matched after taking off wrappers, heads that only training uses, and old spellings. Values are
    cast to the module's dtypes, so half-precision files load.

    Args:
        module: of the zoo, or any other.
        weights: tensors by name.
        source: where they are from, for messages.

    Raises:
        CheckpointError: if a name or a shape does not fit; the message names them, says how many classes the
            weights have, and which network of the zoo they fit better. The module is left as it was.
    """
    wanted = module.state_dict()
    fitting = match_names(weights, wanted.keys())
    missing = [key for key in wanted if key not in fitting and not key.endswith(NORM_COUNTER)]
    unexpected = [key for key in fitting if key not in wanted]
    misshapen = [key for key in fitting if key in wanted and not _fits(fitting[key], wanted[key])]
    if missing or unexpected or misshapen:
        problems = [
            f"{len(missing)} missing ({name_a_few(missing)})" if missing else "",
            f"{len(unexpected)} unexpected ({name_a_few(unexpected)})" if unexpected else "",
            f"{len(misshapen)} of another kind ({_describe(misshapen, fitting, wanted)})"
            if misshapen
            else "",
        ]
        advice = [_class_advice(fitting, wanted), _network_advice(fitting) if missing or unexpected else ""]
        raise CheckpointError(
            f"{source} does not fit the network: " + "; ".join(filter(None, [*problems, *advice]))
        )
    # Counters that the file lacks keep their value.
    module.load_state_dict({**wanted, **fitting}, strict=True)


def nearest_network(weights: Mapping[str, Tensor]) -> str | None:
    """Find the network of the zoo whose names and shapes agree best with the weights.

    Returns:
        Its name; None if not even half of the tensors agree with any.
    """
    bare = bare_names(weights)
    agreements = {name: _agreement(name, bare) for name in zoo.names()}
    best = max(agreements, key=lambda name: agreements[name])
    return best if agreements[best] > CLOSE_ENOUGH else None


def _agreement(name: str, weights: Mapping[str, Tensor]) -> float:
    """Return the share of tensors, of both sides together, that agree in name and shape."""
    parameters = zoo.read_parameters(name, weights)
    try:
        wanted = _shapes_of(name, parameters, "the weights")
    except CheckpointError:  # no network of any use has them
        return 0.0
    shapes = {key: value.shape for key, value in wanted.items() if not key.endswith(NORM_COUNTER)}
    found = {key: value.shape for key, value in weights.items() if not key.endswith(NORM_COUNTER)}
    return len(shapes.items() & found.items()) / max(len(shapes.keys() | found.keys()), 1)


def _shapes_of(name: str, parameters: Mapping[str, Any], source: str) -> dict[str, Tensor]:
    """Give a network's state dict without memory for it.

    Raises:
        CheckpointError: if the parameters, which are those that weights show, are far too large.
    """
    numbers = {key: value for key, value in parameters.items() if type(value) is int}
    widest = max(1, numbers.get("width", 1)) << min(max(0, numbers.get("depth", 0)), MOST_DEPTH)
    for value in (widest, *numbers.values()):
        refuse_above("width", value, f"{source}, as {name},", CheckpointError)
    with torch.device("meta"):
        return zoo.create(name, **parameters).module.state_dict()


def _refuse_huge(
    name: str, parameters: Mapping[str, Any], weights: Mapping[str, Tensor], source: str
) -> None:
    """Refuse parameters that make a network far larger than the weights they were read from."""
    wanted = sum(tensor.numel() for tensor in _shapes_of(name, parameters, source).values())
    held = sum(tensor.numel() for tensor in weights.values())
    refuse_above("bytes", FLOAT_BYTES * (wanted - held), f"{source}, as {name},", CheckpointError)


def _fits(found: Tensor, wanted: Tensor) -> bool:
    same_kind = found.is_floating_point() == wanted.is_floating_point()
    return found.shape == wanted.shape and same_kind


def _describe(names: list[str], found: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> str:
    return name_a_few([f"{key} is {_kind(found[key])} and should be {_kind(wanted[key])}" for key in names])


def _kind(tensor: Tensor) -> str:
    dtype = str(tensor.dtype).removeprefix("torch.")
    return f"{dtype} {tuple(tensor.shape)}"


def _class_advice(found: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> str:
    theirs, ours = num_classes_of(found), num_classes_of(wanted)
    if theirs is None or theirs == ours:
        return ""
    network = "" if ours is None else f", the network {ours}"
    return f"the weights have {theirs} classes{network} (--num-classes {theirs})"


def _network_advice(weights: Mapping[str, Tensor]) -> str:
    nearest = nearest_network(weights)
    return "" if nearest is None else f"of the zoo, {nearest} is the nearest"
