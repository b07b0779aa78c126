"""Turn a checkpoint and a network into a network with trained weights, or say exactly what does not fit."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from torch import Tensor, nn

from edgeseg.errors import CheckpointError, name_a_few, one_line
from edgeseg.limits import refuse_above
from edgeseg.models import zoo
from edgeseg.models.checkpoints.checkpoint import Checkpoint, read_checkpoint
from edgeseg.models.checkpoints.detector_anchors import anchor_note, check_stored_anchors, is_stored_anchors
from edgeseg.models.checkpoints.misfit import check_image_channels, misfit
from edgeseg.models.checkpoints.nearest import part_for, shapes_of
from edgeseg.models.checkpoints.weight_matching import Match, match_weights
from edgeseg.models.checkpoints.weight_names import NORM_COUNTER
from edgeseg.models.mask_rcnn import MaskRCNN
from edgeseg.models.network import Network
from edgeseg.models.network_name import split_name
from edgeseg.spec import RGB_CHANNELS

FLOAT_BYTES = 4  # of a parameter
SHOWN_GROUPS = 12  # of names that are left out, before "and N more"


def open_network(
    name: str,
    path: str | Path,
    *,
    num_classes: int | None = None,
    ema: bool = False,
    prefix: str | None = None,
    **parameters: Any,
) -> tuple[Network, Checkpoint]:
    """Read weights, make a network of the zoo to their measure, and load them.

    Args:
        path: of the checkpoint.
        ema: take the moving average of the weights.
        name, num_classes, prefix, parameters: as in `fitted_network`.

    Returns:
        The network, and the checkpoint with notes on what was left out, and what was assumed.

    Raises:
        UsageError: if there is no such network.
        CheckpointError: if the weights cannot be read or do not fit.
    """
    checkpoint = read_checkpoint(path, ema=ema)
    return fitted_network(name, checkpoint, num_classes=num_classes, prefix=prefix, **parameters)


def fitted_network(
    name: str,
    checkpoint: Checkpoint,
    *,
    num_classes: int | None = None,
    prefix: str | None = None,
    **parameters: Any,
) -> tuple[Network, Checkpoint]:
    """Make a network of the zoo to the measure of its weights, and load them.

    Args:
        name: as in `zoo.create`.
        checkpoint: that was read.
        num_classes: background included; read from the weights by default.
        prefix: take the weights whose names begin so; by default those that fit the network best.
        parameters: of the network; those that the weights show are read from them by default.

    Returns:
        The network, and the checkpoint with notes on what was left out, and what was assumed.

    Raises:
        UsageError: if there is no such network.
        CheckpointError: if the weights do not fit.
    """
    path = checkpoint.path
    place, arguments = split_name(name)
    prefix = None if prefix is None else existing_prefix(prefix, checkpoint)
    shown: dict[str, Any] = {}
    averages: tuple[str, ...] = ()
    if place in zoo.names():
        part = part_for(place, checkpoint.weights, prefix)
        _refuse_rivals(part, str(path))
        prefix, averages = part.prefix, part.averages
        shown = zoo.read_parameters(place, part.part, sha256=checkpoint.sha256)
        check_image_channels(shown.get("in_channels", RGB_CHANNELS), str(path))
        if zoo.is_detector(place):
            shown.update(checkpoint.anchors)
    chosen = {**shown, **arguments, **parameters}
    if num_classes is not None:
        chosen["num_classes"] = num_classes
    if place in zoo.names():
        refuse_huge(shapes_of(place, chosen, str(path)), checkpoint.weights, str(path), place)
    network = zoo.create(place, **chosen)
    notes = load_weights(network.module, checkpoint.weights, source=str(path), name=name, prefix=prefix)
    if averages:
        notes.insert(0, _averages_note(str(path), prefix or "", averages))
    stored = any(map(is_stored_anchors, checkpoint.weights))  # and the same, or they would not have fitted
    if zoo.has_unsaid_anchors(place, sha256=checkpoint.sha256) and not stored:
        said = {**arguments, **parameters}
        detector = cast(MaskRCNN, network.module)
        notes += anchor_note(name, detector.anchors(), checkpoint.anchors, said)
    return network, dataclasses.replace(checkpoint, notes=(*checkpoint.notes, *map(one_line, notes)))


def load_checkpoint(
    module: nn.Module, path: Path, *, name: str = "", ema: bool = False, prefix: str | None = None
) -> Checkpoint:
    """Load the weights of a file into a module, into all of it; arguments and errors as of `open_network`.

    Returns:
        The checkpoint with notes on what was left out.
    """
    checkpoint = read_checkpoint(path, ema=ema)
    prefix = None if prefix is None else existing_prefix(prefix, checkpoint)
    notes = load_weights(module, checkpoint.weights, source=str(path), name=name, prefix=prefix)
    return dataclasses.replace(checkpoint, notes=(*checkpoint.notes, *map(one_line, notes)))


def load_weights(
    module: nn.Module,
    weights: Mapping[str, Tensor],
    *,
    source: str = "the checkpoint",
    name: str = "",
    prefix: str | None = None,
) -> list[str]:
    """Load weights into a module, into all of it.

    Names are matched after taking off, or putting before them, what wrappers did, see `match_weights`, and in
    old spellings. Values are cast to the module's dtypes, so half-precision files load.

    Args:
        module: of the zoo, or any other.
        weights: tensors by name.
        source: where they are from, for messages.
        name: of the network, for messages.
        prefix: take the weights whose names begin so.

    Returns:
        Notes for the user: which names were left out, and where others would have fitted as well.

    Raises:
        CheckpointError: if a name or a shape does not fit, if there are layers that the module does not have,
            or if several parts of the file fit; the message names them, says how many classes the weights
            have, and which network of the zoo they fit better. The module is left as it was.
    """
    wanted = module.state_dict()
    anchors = module.anchors() if isinstance(module, MaskRCNN) else None
    if anchors is not None:
        check_stored_anchors(weights, anchors, source)
        weights = {key: value for key, value in weights.items() if not is_stored_anchors(key)}
    match = match_weights(weights, wanted, prefix=prefix)
    missing = [key for key in wanted if key not in match.weights and not key.endswith(NORM_COUNTER)]
    misshapen = [
        key
        for key, found in match.weights.items()
        if not _fits(found, wanted[key]) and not key.endswith(NORM_COUNTER)
    ]
    if missing or misshapen or match.further:
        raise misfit(match, wanted, missing, misshapen, source=source, name=name, anchors=anchors)
    _refuse_rivals(match, source)
    # Counters that the file lacks keep their value.
    module.load_state_dict({**wanted, **match.weights}, strict=True)
    return _notes(match, source)


def refuse_huge(wanted: Mapping[str, Tensor], weights: Mapping[str, Tensor], source: str, name: str) -> None:
    """Refuse a network that is far larger than the weights whose shapes it was made to.

    Args:
        wanted: its state dict, without memory.
        weights: tensors by name.
        source: where they are from, for messages.
        name: of the network, for messages.
    """
    needed, held = (sum(tensor.numel() for tensor in tensors.values()) for tensors in (wanted, weights))
    refuse_above("bytes", FLOAT_BYTES * (needed - held), f"{source}, as {name},", CheckpointError)


def _refuse_rivals(match: Match, source: str) -> None:
    if match.rivals:
        names = " and ".join(_quoted(prefix) for prefix in (match.prefix, *match.rivals))
        raise CheckpointError(
            f"{source} holds weights that fit the network several times, with other values: under {names}; "
            "choose by --prefix"
        )


def _notes(match: Match, source: str) -> list[str]:
    notes = []
    if match.averages:
        notes.append(_averages_note(source, match.prefix, match.averages))
    if match.strays:
        count = len(match.strays)
        tensors = f"{count} tensors of {source} are" if count > 1 else f"1 tensor of {source} is"
        notes.append(f"left out: {_grouped(match.strays, match.prefix)}; {tensors} no part of the network")
    return notes


def _averages_note(source: str, taken: str, averages: Sequence[str]) -> str:
    return (
        f"{source} holds weights under {_quoted(taken)}, which are taken, and their moving average, or "
        f"teacher, under {', '.join(map(_quoted, averages))} (--ema takes it)"
    )


def existing_prefix(prefix: str, checkpoint: Checkpoint) -> str:
    """Give a prefix of names with its dot, if there are any such names."""
    whole = f"{prefix.removesuffix('.')}." if prefix else ""
    if not any(name.startswith(whole) for name in checkpoint.weights):
        firsts = dict.fromkeys(name.partition(".")[0] for name in checkpoint.weights)
        raise CheckpointError(
            f"no names in {checkpoint.path} begin with {whole}; they begin with {name_a_few(list(firsts))}"
        )
    return whole


def _quoted(prefix: str) -> str:
    return prefix or "no prefix"


def _grouped(names: Sequence[str], prefix: str) -> str:
    """List names, those of one module together."""
    groups: dict[str, list[str]] = {}
    for name in names:
        before = prefix if name.startswith(prefix) else ""
        groups.setdefault(before + name.removeprefix(before).partition(".")[0], []).append(name)
    texts = [f"{first}.* ({len(of)})" if len(of) > 1 else of[0] for first, of in groups.items()]
    more = len(texts) - SHOWN_GROUPS
    return ", ".join(texts[:SHOWN_GROUPS]) + (f" and {more} more" if more > 0 else "")


def _fits(found: Tensor, wanted: Tensor) -> bool:
    same_kind = found.is_floating_point() == wanted.is_floating_point()
    return found.shape == wanted.shape and same_kind
