"""Turn names and shapes of an encoder's weights into one short text, the same for the same encoder."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from edgeseg.models.checkpoints.weight_names import is_counter

DIGITS = 16  # hexadecimal, of the SHA-256; 64 bits tell a thousand encoders apart
CONVOLUTION_NDIM = 4
MOST_CHANNELS = 16  # of an image


def fingerprint(shapes: Mapping[str, tuple[int, ...]]) -> str:
    """Hash names and shapes, but for the number of channels that an image has.

    That number stands on the second axis of the first convolution. Which one that is, names alone do not say:
    so wherever a convolution's second axis could be an image's channels, it is left out.

    Args:
        shapes: of the encoder's weights, by name without what stands before the encoder's own names.
    """
    lines = sorted(f"{name} {_shape(shape)}" for name, shape in shapes.items() if not is_counter(name))
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:DIGITS]


def _shape(shape: tuple[int, ...]) -> str:
    sides = list(map(str, shape))
    if len(shape) == CONVOLUTION_NDIM and shape[1] <= MOST_CHANNELS:
        sides[1] = "*"
    return "x".join(sides)
