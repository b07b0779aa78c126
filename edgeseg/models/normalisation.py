"""Set the epsilon of batch normalisation, which weights need and their files do not hold."""

from __future__ import annotations

from collections.abc import Iterable

from torch import nn

from edgeseg.errors import UsageError
from edgeseg.models.checkpoints.weight_names import NORM_COUNTER

FROZEN = "FrozenBatchNorm2d"  # torchvision's, detectron2's


def set_norm_eps(module: nn.Module, eps: float) -> None:
    """Give every batch normalisation of a network this epsilon, which is added to the variance.

    Raises:
        UsageError: if the network has none.
    """
    norms = [layer for layer in module.modules() if _is_batch_norm(layer)]
    if not norms:
        raise UsageError(f"the network has no batch normalisation, so that no epsilon of {eps:g} fits")
    for norm in norms:
        setattr(norm, "eps", eps)  # noqa: B010 - not every module has it, as far as types know


def is_frozen(names: Iterable[str]) -> bool:
    """Tell whether a state dict is from frozen batch normalisation, which counts no updates."""
    names = list(names)
    has_norm = any(name.endswith(".running_var") for name in names)
    return has_norm and not any(name.endswith(NORM_COUNTER) for name in names)


def _is_batch_norm(layer: nn.Module) -> bool:
    return isinstance(layer, nn.modules.batchnorm._BatchNorm) or type(layer).__name__ == FROZEN
