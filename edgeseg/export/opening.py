"""Turn a name of a network, a module or its description, and weights into the network that is exported."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from edgeseg.errors import ExportError, UsageError, one_line
from edgeseg.export.ready.opening import is_whole, open_whole
from edgeseg.models import zoo
from edgeseg.models.checkpoints.loading import load_checkpoint, open_network
from edgeseg.models.families.opening import is_of_family, open_source
from edgeseg.models.families.source import read_source
from edgeseg.models.network import Network
from edgeseg.models.network_name import split_name
from edgeseg.models.normalisation import set_norm_eps
from edgeseg.spec import Head

NORM_EPS_NOTE = (
    "if these weights stem from torchvision's COCO_V1 weights, they want --norm-eps 0; "
    "without it, the network's own epsilon is taken"
)


@dataclass(frozen=True)
class Opened:
    """A network with trained weights.

    Attributes:
        network: in evaluation mode, on the CPU.
        name: for the record.
        checkpoint_sha256: of the file of weights; None if none was given.
        notes: what a user should know: what was left out of the file, or assumed.
    """

    network: Network
    name: str
    checkpoint_sha256: str | None = None
    notes: tuple[str, ...] = ()


def open_trained(
    network: str | nn.Module | Network,
    weights: Path | None = None,
    *,
    ema: bool = False,
    prefix: str | None = None,
    num_classes: int | None = None,
    norm_eps: float | None = None,
    head: Head | None = None,
    trust: bool = False,
    on_run: Callable[[str], None] = lambda said: None,
) -> Opened:
    """Make a network, or copy one, and load its weights.

    Args:
        network: as `zoo.create` takes or makes it, or a module as `zoo.network_of` takes it; or `auto`,
            `FAMILY` or `FAMILY:Architecture`, as `registry.by_name` takes them, with arguments; or a file
            that holds a network whole, as `ready.opening` takes it.
        weights: a checkpoint, file or folder; what is of the zoo or of a family must be given one.
        ema, prefix: which weights of the checkpoint; see `open_network`.
        num_classes: background included, of a network that is made here. A user's function that gives
            `labels` as its `head` may lack the parameter.
        trust: run what a file of a pickled module wants to be run.
        on_run: told before what that is.
        norm_eps: epsilon of every batch normalisation, which weights do not hold.

    Raises:
        UsageError: if there is no such network, or it needs weights.
        CheckpointError: if the weights cannot be read or do not fit.
        ExportError: if a user's function fails, or a module cannot be copied.
    """
    if not isinstance(network, str):
        opened = _copied(network, weights, ema=ema, prefix=prefix)
    elif is_whole(network):
        opened = _whole(network, weights, trust=trust, on_run=on_run)
    else:
        try:
            opened = _made(network, weights, num_classes, norm_eps, ema=ema, prefix=prefix)
        except UsageError:
            if head != "labels" or num_classes is None:
                raise
            # The number only counts the labels.
            opened = _made(network, weights, None, norm_eps, ema=ema, prefix=prefix)
    if norm_eps is not None:
        set_norm_eps(opened.network.module, norm_eps)
    return opened


def _whole(name: str, weights: Path | None, *, trust: bool, on_run: Callable[[str], None]) -> Opened:
    """Open a file that holds a network whole."""
    if weights is not None:
        raise UsageError(f"{name} holds its weights itself; leave --weights out")
    whole = open_whole(name, trust=trust, on_run=on_run)
    return Opened(whole.network, Path(name).name, whole.sha256, whole.notes)


def _made(
    name: str,
    weights: Path | None,
    num_classes: int | None,
    norm_eps: float | None,
    *,
    ema: bool,
    prefix: str | None,
) -> Opened:
    place, arguments = split_name(name)
    if weights is None:
        if place in zoo.names() or is_of_family(place):
            raise UsageError(f"{name} needs trained weights: give --weights FILE")
        return Opened(zoo.create(name, num_classes=num_classes), name)
    if is_of_family(place):
        source = read_source(weights, ema=ema, prefix=prefix, arguments=arguments)
        found = open_source(name, source, num_classes=num_classes)
        return Opened(found.network, found.name, source.sha256, found.notes)
    network, checkpoint = open_network(name, weights, num_classes=num_classes, ema=ema, prefix=prefix)
    notes = checkpoint.notes
    if norm_eps is None and zoo.may_need_norm_eps(place, checkpoint.weights, sha256=checkpoint.sha256):
        notes = (*notes, NORM_EPS_NOTE)
    return Opened(network, name, checkpoint.sha256, notes)


def _copied(given: nn.Module | Network, weights: Path | None, *, ema: bool, prefix: str | None) -> Opened:
    """Copy a module, which its owner may be training, to the CPU and into evaluation mode."""
    module = given.module if isinstance(given, Network) else given
    name = type(module).__name__
    try:
        copied = copy.deepcopy(module).cpu()
    except Exception as error:  # a module may hold anything
        raise ExportError(
            f"{name} cannot be copied ({one_line(str(error))}); export it by the place of a function that "
            "makes it, such as 'file.py:build', and its weights"
        ) from error
    network = zoo.network_of(
        dataclasses.replace(given, module=copied) if isinstance(given, Network) else copied, name
    )
    if weights is None:
        return Opened(network, name)
    checkpoint = load_checkpoint(copied, weights, name=name, ema=ema, prefix=prefix)
    return Opened(network, name, checkpoint.sha256, checkpoint.notes)
