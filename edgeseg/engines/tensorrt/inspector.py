"""Read the precision that each layer computes in from TensorRT's engine inspector.

The inspector lists the engine's own layers as JSON. `Metadata` names the ONNX nodes that were fused into one;
the formats of its inputs, such as "Channel major FP16 format where channel % 8 == 0", tell its precision.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from edgeseg.graph.view import Layer

_NODE = re.compile(r"\[ONNX Layer: ([^\]]+)\]")
_TYPES = (
    ("int8", re.compile(r"int8", re.IGNORECASE)),
    ("bf16", re.compile(r"bf16|bfloat16", re.IGNORECASE)),
    ("fp16", re.compile(r"fp16|half|float16", re.IGNORECASE)),
    ("fp32", re.compile(r"fp32|float", re.IGNORECASE)),
)
_FORMAT_KEYS = ("Format/Datatype", "Datatype", "DataType", "Format")  # of TensorRT 10, and of 11


def precisions_of(information: str, layers: Sequence[Layer]) -> dict[str, str]:
    """Read the precision of the layers that the inspector names.

    Args:
        information: its JSON, of an engine built with detailed verbosity.

    Returns:
        `int8`, `fp16`, `bf16` or `fp32` by layer, joined by " and " where the nodes of one differ. Empty if
        the engine tells names alone.
    """
    layer_of = {node: layer.name for layer in layers for node in layer.nodes}
    found: dict[str, set[str]] = {}
    for entry in json.loads(information).get("Layers", []):
        if not isinstance(entry, dict):  # a name, in an engine built without details
            continue
        precision = _precision(entry.get("Inputs", []))
        names = {layer_of[node] for node in _NODE.findall(entry.get("Metadata", "")) if node in layer_of}
        for name in names if precision else ():
            found.setdefault(name, set()).add(precision)
    return {name: " and ".join(sorted(precisions)) for name, precisions in found.items()}


def _precision(inputs: Iterable[Mapping[str, Any]]) -> str:
    """Name the type of the first input, which is the activations; empty if it is none of those known."""
    first = next(iter(inputs), {})
    described = next((str(first[key]) for key in _FORMAT_KEYS if key in first), "")
    return next((name for name, pattern in _TYPES if pattern.search(described)), "")
