"""Find outputs that are too small for float32: they blame the network and not its graph."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

UNDERFLOW = float(np.finfo(np.float32).tiny) * 2.0**24
"""About 2e-31. A number must be so large for its last digit to be a normal float32, 2**-126 or more, on which
processors agree: they may flush what is smaller to 0."""


def underflows(*arrays: NDArray[Any]) -> bool:
    """Whether no array holds anything above UNDERFLOW, so that their digits mean nothing."""
    return all(float(np.abs(array).max(initial=0.0)) < UNDERFLOW for array in arrays)


def logits_underflow(expected: Mapping[str, NDArray[Any]], found: Mapping[str, NDArray[Any]]) -> bool:
    """Whether both sides have logits of an image, and they underflow."""
    return "logits" in expected and "logits" in found and underflows(expected["logits"], found["logits"])


def sentence(what: str, peak: float) -> str:
    """Say that something of PyTorch's own, of which `peak` is the largest, underflows."""
    return (
        f"{what} underflow in PyTorch itself, the largest is {peak:.3g}: below {UNDERFLOW:.0e} float32 loses "
        "digits, and processors may take numbers for 0; the network is not trained, or its weights are broken"
    )
