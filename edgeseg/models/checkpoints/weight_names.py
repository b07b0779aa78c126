"""Turn the names that training scripts give weights into the names that a network has, one by one.

Which part of all names is to be taken is the matter of `weight_matching.py`.
"""

from __future__ import annotations

import re
from collections.abc import Container, Mapping
from functools import lru_cache

from torch import Tensor

AVERAGES = (
    "ema",
    "model_ema",
    "ema_model",
    "ema_state_dict",
    "state_dict_ema",
    "model_ema_state_dict",
    "ema_model_state_dict",
    "params_ema",
    "teacher",
    "teacher_state_dict",
)
"""Entries of a file that hold a moving average of the weights, such as a mean teacher."""

AVERAGE_WORD = re.compile(r"(^|_)(ema|teacher|swa|averaged|shadow)(_|\d|$)")
"""What scripts call it in names: `ema_model`, `teacher`."""

WRAPPED = re.compile(r"(?<![^.])(_orig_mod|module|_fsdp_wrapped_module|_checkpoint_wrapped_module)\.")
"""What wrapping a part puts into names: compiling, data parallelism, checkpointed activations."""

AVERAGING_COUNTERS = ("n_averaged", "initted", "step")
"""An averaged model also counts its updates: `torch.optim.swa_utils`, `ema_pytorch`."""

NORM_COUNTER = ".num_batches_tracked"
"""Batch normalisation counts its updates; inference does not use it, and frozen normalisation lacks it."""

TRAINING_WORD = re.compile(
    r"(^|_)(aux|auxiliary|loss|losses|criterion|criteria|perceptual|lpips|discriminator|augmentation|metric|metrics"
    r"|iou|miou|jaccard|dice|f1|f1score|acc|accuracy|auroc|confmat)(_|\d|$)"
)
"""What serves training alone: heads that only a loss sees, losses, and what measures progress."""

RENAMED = (
    # Released weights of torchvision's detectors have the names of its first versions.
    (re.compile(r"(\.fpn\.(?:inner|layer)_blocks\.\d+)\.(weight|bias)$"), r"\1.0.\2"),
    (re.compile(r"(rpn\.head\.conv)\.(weight|bias)$"), r"\1.0.0.\2"),
    *((re.compile(rf"(mask_head\.)mask_fcn{i + 1}\.(weight|bias)$"), rf"\g<1>{i}.0.\2") for i in range(4)),
)


def spelled(name: str, wanted: Container[str]) -> str:
    """Spell a name as a network does, as far as that is a matter of wrapped parts and of old versions.

    Args:
        wanted: the network's names; what is among them stays.
    """
    if name in wanted:
        return name
    return next((new for new in _spellings(name) if new in wanted), name)


@lru_cache(maxsize=1 << 15)  # weights are compared with one network after another
def _spellings(name: str) -> tuple[str, ...]:
    """List a name without what wraps its parts, and that in the spellings of today."""
    plain = WRAPPED.sub("", name)
    return (plain, *(pattern.sub(new, plain) for pattern, new in RENAMED if pattern.search(plain)))


def today_spelled(name: str) -> str:
    """Spell a name of the first versions of torchvision's detectors as today's do; others stay."""
    for pattern, spelling in RENAMED:
        name = pattern.sub(spelling, name)
    return name


def is_average(part: str) -> bool:
    """Tell whether a part of a name is what scripts call the moving average of the weights."""
    return part in AVERAGES or AVERAGE_WORD.search(part) is not None


def serves_training(name: str) -> bool:
    """Tell whether a name says that it serves training alone."""
    return any(TRAINING_WORD.search(part) for part in name.split("."))


def is_counter(name: str) -> bool:
    """Tell whether a name is that of a counter of updates, which inference does not use."""
    return name.endswith(NORM_COUNTER) or name.rpartition(".")[2] in AVERAGING_COUNTERS


def average_of(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Take the moving average out of weights whose names tell both apart, such as `model.` and `ema_model.`.

    Returns:
        The average by names without that part; empty if there is none.
    """
    groups: dict[str, dict[str, Tensor]] = {}
    for name, tensor in weights.items():
        first, dot, rest = name.partition(".")
        if dot:
            groups.setdefault(first, {})[rest] = tensor
    averages = [group for first, group in groups.items() if is_average(first)]
    if not averages:
        averages = [inner for group in groups.values() if (inner := average_of(group))]
        return max(averages, key=len, default={})
    average = max(averages, key=len)
    return average_of(average) or average
