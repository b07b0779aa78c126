"""Turn an engine of TensorRT for RTX into something that infers; all is in `tensorrt`, whose API it has."""

from __future__ import annotations

from edgeseg.runtime.backends.tensorrt import open

__all__ = ["open"]
