"""Turn a graph and a target into what the target will refuse: which node, from which line, and the mend.

The rules are those that the targets' own parsers apply. They are checked here because a parser stops at the
first error, names a node by a number, and knows nothing of the PyTorch line that it comes from.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgeseg.bundle import MODULE_KEY, SOURCE_KEY
from edgeseg.errors import EngineError

if TYPE_CHECKING:
    import onnx

TENSORRT: tuple[str, ...] = ("tensorrt", "tensorrt_rtx")
DENSE = "export with --lowering dense"
FIXED = "export with a fixed --size and --batch"

# Operators of ONNX that TensorRT has no layer for, or only one whose output's size depends on the data: those
# keep it from CUDA graphs and, in TensorRT for RTX, have no kernel.
REFUSED_BY_TENSORRT: Mapping[str, str] = {
    "NonMaxSuppression": f"its output's size depends on the data; {DENSE}",
    "NonZero": f"its output's size depends on the data; {DENSE}",
    "RoiAlign": f"needs a plugin; {DENSE}",
    "Compress": "its output's size depends on the data; compute with torch.where instead of a boolean index",
    "Unique": "its output's size depends on the data; keep all values",
    "DeformConv": "needs a plugin; write with grid_sample",
    "MaxUnpool": "needs a plugin; write with interpolate",
    "Det": "has no layer; compute it outside the network",
    "StringNormalizer": "has no layer; compute it outside the network",
    "Optional": "has no layer; return tensors",
    "SequenceConstruct": "has no layer; stack the tensors",
}


@dataclass(frozen=True)
class Finding:
    """What a target refuses.

    Attributes:
        node: name of the node or tensor.
        operator: its type; empty for a tensor.
        source: PyTorch file and line that it comes from, and the submodule; empty where unknown.
        problem: what is wrong, and after a semicolon what to do.
    """

    node: str
    operator: str
    source: str
    problem: str

    def __str__(self) -> str:
        """Give one line."""
        place = f" ({self.source})" if self.source else ""
        return f"{self.operator} {self.node}{place}: {self.problem}".lstrip()


def preflight(model: onnx.ModelProto, backend: str) -> list[Finding]:
    """List what the backend will refuse, in the order of the graph; empty if nothing.

    Args:
        model: with or without inferred shapes.
    """
    if backend not in TENSORRT:
        return []
    known = _types(model)
    return [*_dynamic_shapes(model), *_operators(model), *_types_refused(model, known)]


def refuse_unfit(model: onnx.ModelProto, backend: str) -> None:
    """Raise EngineError with the first finding, and the number of others, if there is one."""
    findings = preflight(model, backend)
    if findings:
        more = f"; {len(findings) - 1} more in edgeseg inspect --target {backend}" if findings[1:] else ""
        raise EngineError(f"{backend} will refuse {findings[0]}{more}")


def origin_of(node: onnx.NodeProto) -> str:
    """Say where in PyTorch a node comes from: `models/unet.py:60, down1.maxpool_conv.1`, or nothing."""
    noted = {entry.key: entry.value for entry in node.metadata_props}
    return ", ".join(noted[key] for key in (SOURCE_KEY, MODULE_KEY) if key in noted)


def _nodes(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    """Walk all nodes, those of loop and branch bodies included."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from _nodes(attribute.g)


def _operators(model: onnx.ModelProto) -> Iterator[Finding]:
    for node in _nodes(model.graph):
        if node.domain not in ("", "ai.onnx"):
            problem = f"is of the domain {node.domain!r}, not of ONNX; use standard operators"
            yield Finding(node.name, node.op_type, origin_of(node), problem)
        elif node.op_type in REFUSED_BY_TENSORRT:
            yield Finding(node.name, node.op_type, origin_of(node), REFUSED_BY_TENSORRT[node.op_type])


def _dynamic_shapes(model: onnx.ModelProto) -> Iterator[Finding]:
    for value in model.graph.input:
        sizes = [d.dim_value or d.dim_param or "?" for d in value.type.tensor_type.shape.dim]
        if not all(isinstance(size, int) for size in sizes):
            shape = "x".join(map(str, sizes))
            yield Finding(value.name, "", "", f"the input's shape {shape} is not fixed; {FIXED}")


def _types_refused(model: onnx.ModelProto, known: Mapping[str, int]) -> Iterator[Finding]:
    from onnx import TensorProto

    for node in _nodes(model.graph):
        if node.op_type == "DequantizeLinear" and known.get(node.input[0]) == TensorProto.INT32:
            problem = "dequantises int32; leave biases in float, as edgeseg build --precision int8 does"
            yield Finding(node.name, node.op_type, origin_of(node), problem)
        for name in node.output:
            if known.get(name) in (TensorProto.DOUBLE, TensorProto.STRING, TensorProto.COMPLEX64):
                kind = TensorProto.DataType.Name(known[name]).lower()
                yield Finding(node.name, node.op_type, origin_of(node), f"gives {kind}; compute in float32")


def _types(model: onnx.ModelProto) -> dict[str, int]:
    """Element type of every tensor that the graph declares, or that shape inference finds."""
    from onnx import shape_inference

    try:
        inferred = shape_inference.infer_shapes(model).graph
    except (
        Exception
    ):  # a graph that contradicts itself, or has names that are no text: what it declares is left
        inferred = model.graph
    values = (*inferred.input, *inferred.value_info, *inferred.output)
    known = {value.name: value.type.tensor_type.elem_type for value in values}
    return known | {tensor.name: tensor.data_type for tensor in inferred.initializer}
