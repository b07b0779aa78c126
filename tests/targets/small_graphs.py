"""Graphs of a node or two for the rules of targets, as files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnx.helper import make_node as node

IR_VERSION = 8
OPSET = 18
CHANNELS = 4
PICTURE = (1, CHANNELS, 16, 16)

__all__ = ["CHANNELS", "PICTURE", "conv", "graph", "node", "save"]


def graph(
    nodes: Sequence[onnx.NodeProto],
    *,
    shape: Sequence[int | str] = PICTURE,
    kind: int = TensorProto.FLOAT,
    constants: dict[str, Any] | None = None,
    opset: int = OPSET,
    ir_version: int = IR_VERSION,
) -> onnx.ModelProto:
    """Make a model that computes `y` from `x`."""
    made = helper.make_graph(
        list(nodes),
        "small",
        [helper.make_tensor_value_info("x", kind, list(shape))],
        [helper.make_empty_tensor_value_info("y")],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in (constants or {}).items()],
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", opset)])
    model.ir_version = ir_version
    return model


def conv(
    *,
    kernel: int = 3,
    channels: int = CHANNELS,
    half: bool = False,
    shape: Sequence[int] = PICTURE,
    operator: str = "Conv",
    **attributes: Any,
) -> onnx.ModelProto:
    """Make a model of one convolution, with a module's name on it."""
    dtype = np.float16 if half else np.float32
    sides = (channels, CHANNELS) if operator == "Conv" else (CHANNELS, channels)
    weight = np.zeros((*sides, kernel, kernel), dtype)
    made = node(operator, ["x", "w"], ["y"], "conv", **attributes)
    for key, value in (("edgeseg.module", "body.conv"), ("edgeseg.source", "net.py:7")):
        made.metadata_props.add(key=key, value=value)
    kind = TensorProto.FLOAT16 if half else TensorProto.FLOAT
    return graph([made], constants={"w": weight}, kind=kind, shape=shape)


def save(model: onnx.ModelProto, folder: Path) -> Path:
    """Write a model."""
    path = folder / "small.onnx"
    onnx.save(model, path)
    return path
