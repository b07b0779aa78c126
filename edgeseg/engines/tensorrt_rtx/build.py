"""Turn a portable model into an engine of TensorRT for RTX; all is in `tensorrt`, whose API it has."""

from __future__ import annotations

from edgeseg.engines.tensorrt.build import fill_engine, layer_precisions

__all__ = ["fill_engine", "layer_precisions"]
