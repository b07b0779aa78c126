"""Choose the table that the exporter translates edgeseg's operators with, by the name of a lowering."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

import edgeseg.models.operators  # noqa: F401 - registers the operators
from edgeseg.export.lowering import dense, onnx
from edgeseg.spec import Lowering

OPSET = 18  # the lowerings are written in it


def translation_table(lowering: Lowering) -> dict[Callable[..., Any], Callable[..., Any]]:
    """Give the ONNX functions of `edgeseg::roi_align` and `edgeseg::nms`, for `torch.onnx.export`."""
    chosen = {"onnx": onnx, "dense": dense}[lowering]
    operators = torch.ops.edgeseg
    return {operators.roi_align.default: chosen.roi_align, operators.nms.default: chosen.nms}
