"""What TensorRT tells of a finished engine, from samples in the form of its engine inspector."""

from __future__ import annotations

import json
from typing import Any

from edgeseg.engines.tensorrt.inspector import precisions_of
from edgeseg.graph.view import Layer

LAYERS = [
    Layer("stem", "Conv", "stem.weight", ("node_stem",), ("a",)),
    Layer("head", "Conv", "head.weight", ("node_head_1", "node_head_2"), ("b", "c")),
]


def engine(*layers: dict[str, Any]) -> str:
    return json.dumps({"Layers": list(layers), "Bindings": ["image", "logits"]})


def layer(nodes: str, **described: str) -> dict[str, Any]:
    metadata = "\x1e".join(f"[ONNX Layer: {name}]" for name in nodes.split())
    return {"Name": nodes, "LayerType": "CaskConvolution", "Inputs": [described], "Metadata": metadata}


def test_a_layer_computes_in_the_type_of_its_activations() -> None:
    known = {"Format/Datatype": "Thirty-two wide channel vectorized row major Int8 format"}
    assert precisions_of(engine(layer("node_stem node_relu", **known)), LAYERS) == {"stem": "int8"}
    half = {"Format/Datatype": "Channel major FP16 format where channel % 8 == 0"}
    assert precisions_of(engine(layer("node_stem", **half)), LAYERS) == {"stem": "fp16"}
    newer = {"Datatype": "Float", "Format": "Row major linear format"}
    assert precisions_of(engine(layer("node_stem", **newer)), LAYERS) == {"stem": "fp32"}


def test_a_shared_head_that_differs_says_so() -> None:
    first = layer("node_head_1", Datatype="Int8")
    second = layer("node_head_2", Datatype="Half")
    assert precisions_of(engine(first, second), LAYERS) == {"head": "fp16 and int8"}


def test_names_alone_and_other_nodes_tell_nothing() -> None:
    assert precisions_of(json.dumps({"Layers": ["node_stem", "node_head_1"]}), LAYERS) == {}
    assert precisions_of(engine(layer("node_reshape", Datatype="Int8")), LAYERS) == {}
