"""Read PyTorch's translations of operators to ONNX once a process, not anew for every export."""

from __future__ import annotations

import copy
from functools import cache
from typing import Any


@cache
def read_once() -> None:
    """Let `torch.onnx.export` take a copy of the registry of translations that was made first.

    A copy, since an export adds its own translations. Where a version of PyTorch keeps them elsewhere, it
    reads them as often as it would.
    """
    try:
        from torch.onnx._internal.exporter._registration import ONNXRegistry

        read = ONNXRegistry.from_torchlib
    except (ImportError, AttributeError):
        return
    first = cache(read)

    def copied(*opset: Any, **named: Any) -> ONNXRegistry:
        registry = copy.copy(first(*opset, **named))
        registry.functions = {target: [*known] for target, known in registry.functions.items()}
        return registry

    ONNXRegistry.from_torchlib = staticmethod(copied)
