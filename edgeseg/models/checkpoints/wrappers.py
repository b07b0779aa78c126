"""Take what wrappers of training put before, and into, the names of weights off them, in any order.

Where the network is known, `weight_matching.py` finds its part by the network's own names. Here it is not, so
that only what wrappers are known to write is taken off.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from edgeseg.errors import CheckpointError, name_a_few, shown
from edgeseg.models.checkpoints.weight_names import is_average, is_counter, serves_training

OUTER = (
    "module",  # DataParallel, DistributedDataParallel, averaged models
    "_orig_mod",  # torch.compile
    "_fsdp_wrapped_module",
    "_checkpoint_wrapped_module",
    "model",  # modules of Lightning, learners of fastai, and many trainers
    "net",
    "network",
    "base_model",  # PEFT, which writes base_model.model.
    "ema",
    "ema_model",
    "online_model",
    "student",
    "_forward_module",  # Lightning Fabric
)
"""What stands before the names of a whole network."""

INNER = re.compile(r"(?<![^.])(?:_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\.")
"""What wrapping a part alone writes into names; `module` there may be a network's own."""

ADAPTER = re.compile(
    r"(?:^|\.)(?:lora_[AB]|lora_embedding_[AB]|lora_magnitude_vector|base_layer|ia3_l|hada_w\w+)\."
)
"""How PEFT calls the parts of adapters that are not merged into the weights."""

ADAPTER_FIX = (
    "adapters have to be merged into the weights; where they were made: "
    "torch.save(peft_model.merge_and_unload().state_dict(), PATH)"
)

KEPT = re.compile(r"(?:^|\.)modules_to_save\.[\w-]+\.")  # PEFT's trained copy of a whole module,
ORIGINAL = re.compile(r"(?:^|\.)original_module\.")  # and what it was before


@dataclass(frozen=True)
class Unwrapped:
    """Weights without what wrappers wrote into their names.

    Attributes:
        weights: tensors by the names that they have in the network itself.
        beside: names that stood beside the network: of losses, metrics, averages and counters.
    """

    weights: dict[str, Tensor]
    beside: tuple[str, ...] = ()

    def notes(self, path: object) -> list[str]:
        """Say which parts of the file were left out, and how a moving average is taken instead."""
        firsts = dict.fromkeys(name.partition(".")[0] for name in self.beside if not is_counter(name))
        averages = [first for first in firsts if is_average(first)]
        others = [first for first in firsts if not is_average(first)]
        notes = []
        if averages:
            notes.append(
                f"{path} holds weights, which are taken, and their moving average, or teacher, under "
                f"{', '.join(averages)} (--ema takes it)"
            )
        if others:
            notes.append(f"left out: {name_a_few(others)}, which serve training alone")
        return notes


def is_adapter(name: str) -> bool:
    """Tell whether a name is that of an adapter which is not merged into the weights, or of its layer."""
    return ADAPTER.search(name) is not None


def unwrapped(weights: Mapping[str, Tensor], path: object) -> Unwrapped:
    """Take wrappers' names off weights; losses, metrics and averages beside the network are left out.

    Args:
        weights: tensors by the file's names.
        path: of the file, for messages.

    Raises:
        CheckpointError: if they hold adapters that are not merged into them.
    """
    if adapter := next(filter(is_adapter, weights), None):
        raise CheckpointError(f"{path} holds adapters such as {shown(adapter)}; {ADAPTER_FIX}")
    named = {KEPT.sub(".", name): tensor for name, tensor in weights.items() if not ORIGINAL.search(name)}
    named = {INNER.sub("", name).removeprefix("."): tensor for name, tensor in named.items()}
    beside: list[str] = []
    while outer := _outer(named):
        beside += [name for name in named if not name.startswith(outer)]
        named = {name.removeprefix(outer): tensor for name, tensor in named.items() if name.startswith(outer)}
    return Unwrapped(named, tuple(beside))


def _outer(named: Mapping[str, Tensor]) -> str | None:
    """Find a wrapper's name, with its dot, before all names that count."""
    counted = [name for name in named if not is_counter(name)]
    network = [name for name in counted if not _is_beside(name.partition(".")[0])] or counted
    firsts = {name.partition(".")[0] for name in network}
    if len(firsts) != 1 or (first := firsts.pop()) not in OUTER:
        return None
    inner = [name.removeprefix(f"{first}.") for name in network]
    if any("." not in name or name[0].isdigit() for name in inner):
        return None  # a network's own `model`, such as a sequence, whose parts are numbers
    return f"{first}."


def _is_beside(first: str) -> bool:
    """Tell whether a first part of names is a loss, a metric or an average beside the network."""
    return serves_training(first) or is_average(first)
