"""Read what TensorRT's engine inspector says of an engine's own layers.

The inspector lists them as JSON. `Metadata` names the ONNX nodes that were fused into one; the formats of its
inputs, such as "Channel major FP16 format where channel % 8 == 0", tell its precision.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_NODE = re.compile(r"\[ONNX Layer: ([^\]]+)\]")
_TYPES = (
    ("int8", re.compile(r"int8", re.IGNORECASE)),
    ("bf16", re.compile(r"bf16|bfloat16", re.IGNORECASE)),
    ("fp16", re.compile(r"fp16|half|float16", re.IGNORECASE)),
    ("fp32", re.compile(r"fp32|float", re.IGNORECASE)),
)
_VALUE_BYTES: Mapping[str, int] = {"int8": 1, "bf16": 2, "fp16": 2, "fp32": 4}
_FORMAT_KEYS = ("Format/Datatype", "Datatype", "DataType", "Format")  # of TensorRT 10, and of 11


@dataclass(frozen=True)
class EngineLayer:
    """A layer of an engine.

    Attributes:
        operator: what the library calls its type.
        nodes: names of the ONNX nodes that it stands for.
        precision: of its first input, which is the activations; "" if it is none of those known.
        data_bytes: of its inputs and outputs; None where a shape or a type is not told.
    """

    name: str
    operator: str
    nodes: tuple[str, ...]
    precision: str
    data_bytes: int | None


def engine_layers(information: str) -> Iterator[EngineLayer]:
    """Give the layers of an engine that was built with detailed verbosity, of others none.

    Args:
        information: the inspector's JSON.
    """
    for entry in json.loads(information).get("Layers", []):
        if isinstance(entry, dict):  # else a name, in an engine built without details
            inputs, outputs = entry.get("Inputs", []), entry.get("Outputs", [])
            yield EngineLayer(
                str(entry.get("Name", "")),
                str(entry.get("LayerType", "")),
                tuple(_NODE.findall(entry.get("Metadata", ""))),
                _precision(next(iter(inputs), {})),
                _bytes([*inputs, *outputs]),
            )


def _precision(tensor: Mapping[str, Any]) -> str:
    described = next((str(tensor[key]) for key in _FORMAT_KEYS if key in tensor), "")
    return next((name for name, pattern in _TYPES if pattern.search(described)), "")


def _bytes(tensors: Iterable[Mapping[str, Any]]) -> int | None:
    total = 0
    for tensor in tensors:
        shape, precision = tensor.get("Dimensions"), _precision(tensor)
        if not isinstance(shape, list) or precision not in _VALUE_BYTES or min(shape, default=0) < 0:
            return None
        total += math.prod(shape) * _VALUE_BYTES[precision]
    return total
