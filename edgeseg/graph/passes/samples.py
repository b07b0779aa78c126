"""Let a graph show of its tensors what calibration is to see: extremes, and some of the values."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from edgeseg.graph.passes.conditions import require_types, require_values
from edgeseg.graph.passes.constants import constant
from edgeseg.graph.view import FLOAT, name_of

SAMPLES = 16384  # magnitudes of a tensor that are kept of an image: its tail of 1 in 1,000 is seen well
_PREFIX = "edgeseg.observed."


class ShowSamples(ir.passes.InPlacePass):
    """Replace a graph's outputs by samples and extremes of tensors, or by tensors whose size is not known.

    Whole activations of a large network would fill gigabytes. The outputs are called as `sample_names` says.

    Requires:
        inferred types, and a graph that has the tensors, all of them float32.
    """

    def __init__(self, names: Sequence[str]) -> None:
        """Take the names of the tensors."""
        super().__init__()
        self._names = names

    def requires(self, model: ir.Model) -> None:
        """Check types and names."""
        require_types(model)
        require_values(model, self._names, "tensors to see")

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Add nodes, and change the outputs."""
        graph = model.graph
        values = {name_of(value): value for node in graph for value in node.outputs}
        values |= {name_of(value): value for value in (*graph.inputs, *graph.initializers.values())}
        integers: dict[str, ir.Value] = {}

        def integer(name: str, number: int) -> ir.Value:
            if name not in integers:
                integers[name] = constant(graph, f"{_PREFIX}{name}", np.array([number], np.int64))
            return integers[name]

        outputs: list[ir.Value] = []
        for name in self._names:
            value, size = values[name], size_of(values[name])
            if not size:
                outputs.append(value)
                continue
            flat, sample, least, most = (
                ir.Value(name=f"{_PREFIX}{kind}.{name}") for kind in ("flat", "sample", "least", "most")
            )
            step = _step(size)
            zero, end = integer("0", 0), integer("end", int(np.iinfo(np.int64).max))
            scalar = [ir.AttrInt64("keepdims", 0)]
            graph.extend(
                (
                    ir.Node("", "Reshape", [value, integer("flat", -1)], outputs=[flat]),
                    ir.Node(
                        "", "Slice", [flat, zero, end, zero, integer(f"step{step}", step)], outputs=[sample]
                    ),
                    ir.Node("", "ReduceMin", [value], scalar, outputs=[least]),
                    ir.Node("", "ReduceMax", [value], scalar, outputs=[most]),
                )
            )
            outputs += [sample, least, most]
        for value in outputs:
            value.type, value.shape = ir.TensorType(FLOAT), None
        graph.outputs.clear()
        graph.outputs.extend(outputs)
        return ir.passes.PassResult(model, True)


def sample_names(name: str) -> tuple[str, str, str]:
    """Name the outputs that show a tensor of a known size: a sample, its least value, its largest one."""
    sample, least, most = (f"{_PREFIX}{kind}.{name}" for kind in ("sample", "least", "most"))
    return sample, least, most


def size_of(value: ir.Value) -> int | None:
    """Count a tensor's values; None where that depends on the data."""
    size = 1
    for side in (None,) if value.shape is None else value.shape:
        if not isinstance(side, int):
            return None
        size *= side
    return size


def _step(size: int) -> int:
    """Choose a step through a flat tensor that has no factor in common with its sides: it visits them all."""
    step = -(-size // SAMPLES)
    while math.gcd(step, size) > 1:
        step += 1
    return step
