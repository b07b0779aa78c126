"""Take what wrappers of training put before, and into, the names of weights off them, in any order.

Where the network is known, `weight_matching.py` finds its part by the network's own names. Here it is not, so
that only what wrappers are known to write is taken off.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

from edgeseg.errors import CheckpointError, shown
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

KEPT = re.compile(r"(?:^|\.)modules_to_save\.[\w-]+\.")  # PEFT's trained copy of a whole module,
ORIGINAL = re.compile(r"(?:^|\.)original_module\.")  # and what it was before


def unwrapped(weights: Mapping[str, Tensor], path: object) -> dict[str, Tensor]:
    """Give weights by the names that they have in the network itself.

    Beside a network that most of the names belong to, losses, metrics and averages are left out.

    Args:
        weights: tensors by the file's names.
        path: of the file, for messages.

    Raises:
        CheckpointError: if they hold adapters that are not merged into them.
    """
    if adapter := next((name for name in weights if ADAPTER.search(name)), None):
        raise CheckpointError(
            f"{path} holds adapters that are not merged into the weights, such as {shown(adapter)}; where it "
            "was made: torch.save(peft_model.merge_and_unload().state_dict(), PATH)"
        )
    named = {KEPT.sub(".", name): tensor for name, tensor in weights.items() if not ORIGINAL.search(name)}
    named = {INNER.sub("", name).removeprefix("."): tensor for name, tensor in named.items()}
    while outer := _outer(named):
        named = {name.removeprefix(outer): tensor for name, tensor in named.items() if name.startswith(outer)}
    return named


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
