"""Turn whatever a user's semantic network returns into plain logits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from edgeseg.errors import ShapeError

LOGIT_ENTRIES = ("out", "logits")  # torchvision's and Hugging Face's name for them


class SemanticLogits(nn.Module):
    """A network whose forward returns logits (N, C, h, w) and nothing else.

    Args:
        network: returns logits, a mapping that has them as `out` (torchvision) or `logits` (Hugging Face), or
            a tuple or list that begins with them.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> Tensor:
        """Turn a normalised image (N, 3, H, W) into logits (N, C, h, w).

        Raises:
            ShapeError: if the network returns something else.
        """
        return logits_of(self.network(image))


def logits_of(output: Any) -> Tensor:
    """Take the logits out of a network's output; see `SemanticLogits`."""
    logits = output
    if isinstance(output, Mapping):
        logits = next((output[key] for key in LOGIT_ENTRIES if key in output), None)
    elif isinstance(output, tuple | list) and output:
        logits = output[0]
    if not isinstance(logits, Tensor) or logits.ndim != len("NCHW"):
        got = tuple(logits.shape) if isinstance(logits, Tensor) else type(output).__name__
        raise ShapeError(
            "a semantic network must return logits (N, C, h, w), a dict that has them as "
            f"{' or '.join(LOGIT_ENTRIES)}, or a tuple that begins with them; got {got}"
        )
    return logits
