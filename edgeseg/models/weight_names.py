"""Turn the names that training scripts give weights into the names that a network has."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from torch import Tensor

WRAPPERS = ("module", "model", "net", "network", "online_model")
"""What `DataParallel` and training frameworks put before every name: where their module holds the network."""

AVERAGES = (
    "ema",
    "model_ema",
    "ema_model",
    "ema_state_dict",
    "state_dict_ema",
    "model_ema_state_dict",
    "ema_model_state_dict",
    "params_ema",
)
"""What scripts call the moving average of the weights: an entry of the file, or the first part of names."""

COMPILED = "_orig_mod."
"""What `torch.compile` puts into names."""

AVERAGING_COUNTERS = ("n_averaged", "initted", "step")
"""An averaged model also counts its updates: `torch.optim.swa_utils`, `ema_pytorch`."""

NORM_COUNTER = ".num_batches_tracked"
"""Batch normalisation counts its updates; inference does not use it, and frozen normalisation lacks it."""

TRAINING_ONLY = ("aux_classifier.",)
"""Heads that only a loss sees."""

RENAMED = (
    # Released weights of torchvision's detectors have the names of its first versions.
    (re.compile(r"(\.fpn\.(?:inner|layer)_blocks\.\d+)\.(weight|bias)$"), r"\1.0.\2"),
    (re.compile(r"(rpn\.head\.conv)\.(weight|bias)$"), r"\1.0.0.\2"),
    *((re.compile(rf"(mask_head\.)mask_fcn{i + 1}\.(weight|bias)$"), rf"\g<1>{i}.0.\2") for i in range(4)),
)


def bare_names(weights: Mapping[str, Tensor], wanted: Collection[str] = frozenset()) -> dict[str, Tensor]:
    """Take off the names what training put before them; a moving average beside the weights goes, too.

    Args:
        weights: tensors by name.
        wanted: the network's own names. Nothing is taken off once any of them is there, because a network may
            well have a part called `model`; without them, everything is.
    """
    names = {key if key in wanted else key.replace(COMPILED, ""): value for key, value in weights.items()}
    while True:
        names = _without_averaging(names, wanted)
        wrapper = _first_part(names)
        if wrapper not in (*WRAPPERS, *AVERAGES) or any(key in names for key in wanted):
            return names
        names = {key.partition(".")[2]: value for key, value in names.items()}


def average_of(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Take the moving average out of weights whose names tell both apart, such as `model.` and `ema_model.`.

    Returns:
        The average by names without that part; empty if there is none.
    """
    parts = {key: key.partition(".") for key in weights}
    average = {rest: weights[key] for key, (first, _, rest) in parts.items() if first in AVERAGES and rest}
    return (average_of(average) or average) if average else {}


def match_names(weights: Mapping[str, Tensor], wanted: Collection[str]) -> dict[str, Tensor]:
    """Rename the weights to the names a network wants, as far as that is only a matter of habits."""
    matched = bare_names(weights, wanted)
    for pattern, spelling in RENAMED:
        matched = {
            key if key in wanted else pattern.sub(spelling, key): value for key, value in matched.items()
        }
    return {
        key: value
        for key, value in matched.items()
        if key in wanted or not (key.startswith(TRAINING_ONLY) or key.endswith(NORM_COUNTER))
    }


def _without_averaging(names: dict[str, Tensor], wanted: Collection[str]) -> dict[str, Tensor]:
    """Drop counters of averages, and averages that stand beside other weights, unless they are wanted."""
    counted = {k: v for k, v in names.items() if k in wanted or k not in AVERAGING_COUNTERS}
    plain = {k: v for k, v in counted.items() if k in wanted or k.partition(".")[0] not in AVERAGES}
    return plain or counted


def _first_part(names: Mapping[str, Tensor]) -> str | None:
    """Give the part before the first dot, if all names share it."""
    parts = {first if dot else None for first, dot, _ in (key.partition(".") for key in names)}
    return parts.pop() if len(parts) == 1 else None
