"""Turn an engine of TensorRT for RTX into something that infers; all is in `tensorrt`, whose API it has."""

from __future__ import annotations

from edgeseg.engines.tensorrt.open import open

__all__ = ["open"]
