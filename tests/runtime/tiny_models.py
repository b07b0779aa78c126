"""Make engines of a few nodes, so that the runtime's tests need neither an export nor a trained network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from edgeseg.manifest import SPEC_KEY, Manifest, engine_folder, read_manifest, seal
from edgeseg.spec import ModelSpec

from .specs import SIZE_HW, STRIDE, instances_spec, labels_spec, logits_spec

MODEL_FILE = "model.onnx"
OPSET, IR_VERSION = 18, 10  # what every ONNX Runtime of `edgeseg[cpu]` reads
BRIGHT = 127.5  # a pixel whose blue is above belongs to class 1


def labels_engine(folder: Path, size_hw: tuple[int, int] = SIZE_HW, **changes: Any) -> Path:
    """Write an engine that labels bright blue pixels 1 and all others 0."""
    nodes = [
        helper.make_node("Gather", ["image", "blue"], ["channel"], axis=3),
        helper.make_node("Cast", ["channel"], ["values"], to=TensorProto.FLOAT),
        helper.make_node("Greater", ["values", "bright"], ["inside"]),
        helper.make_node("Cast", ["inside"], ["labels"], to=TensorProto.UINT8),
    ]
    constants = {"blue": np.array(0), "bright": np.array(BRIGHT, np.float32)}
    return _write(folder, nodes, constants, labels_spec(size_hw, **changes))


def crowd_engine(folder: Path, batch: int) -> Path:
    """Write an engine that labels each pixel by how many images of its batch have bright blue there."""
    nodes = [
        helper.make_node("Gather", ["image", "blue"], ["channel"], axis=3),
        helper.make_node("Cast", ["channel"], ["values"], to=TensorProto.FLOAT),
        helper.make_node("Greater", ["values", "bright"], ["inside"]),
        helper.make_node("Cast", ["inside"], ["ones"], to=TensorProto.FLOAT),
        helper.make_node("ReduceSum", ["ones", "axis"], ["count"], keepdims=1),
        helper.make_node("Expand", ["count", "shape"], ["counts"]),
        helper.make_node("Cast", ["counts"], ["labels"], to=TensorProto.UINT8),
    ]
    constants = {
        "blue": np.array(0),
        "bright": np.array(BRIGHT, np.float32),
        "axis": np.array([0]),
        "shape": np.array([batch, *SIZE_HW]),
    }
    return _write(folder, nodes, constants, labels_spec(batch=batch))


def logits_engine(folder: Path, size_hw: tuple[int, int] = SIZE_HW, **changes: Any) -> Path:
    """Write an engine with logits at stride 8: how far the mean blue of each 8x8 block is from bright."""
    nodes = [
        helper.make_node("Gather", ["image", "blue"], ["channel"], axis=3),
        helper.make_node("Cast", ["channel"], ["values"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["values", "axis"], ["plane"]),
        helper.make_node(
            "AveragePool", ["plane"], ["means"], kernel_shape=[STRIDE, STRIDE], strides=[STRIDE, STRIDE]
        ),
        helper.make_node("Sub", ["means", "bright"], ["above"]),
        helper.make_node("Div", ["above", "bright"], ["one"]),
        helper.make_node("Neg", ["one"], ["zero"]),
        helper.make_node("Concat", ["zero", "one"], ["logits"], axis=1),
    ]
    constants = {"blue": np.array(0), "bright": np.array(BRIGHT, np.float32), "axis": np.array([1])}
    return _write(folder, nodes, constants, logits_spec(size_hw, **changes))


def instance_engine(
    folder: Path,
    boxes: Sequence[Sequence[float]],
    scores: Sequence[float],
    *,
    size_hw: tuple[int, int] = SIZE_HW,
    mask_size: int = 4,
    **changes: Any,
) -> Path:
    """Write an engine that finds the same boxes, filled by their masks, in every picture."""
    count = len(boxes)
    spec = instances_spec(count, size_hw, mask_size=mask_size, **changes)
    found = {
        "boxes": np.asarray(boxes, np.float32).reshape(count, 4),
        "scores": np.asarray(scores, np.float32),
        "class_ids": np.arange(1, count + 1, dtype=np.int64),
        "masks": np.ones((count, mask_size, mask_size), np.float32),
    }
    nodes = [helper.make_node("Identity", [f"{name}_found"], [name]) for name in found]
    constants = {f"{name}_found": np.stack([value] * spec.input.batch) for name, value in found.items()}
    return _write(folder, nodes, constants, spec)


def portable_model(engine: Path, target: Path) -> Path:
    """Write the graph of one of these engines as a portable model, without a proof."""
    model = onnx.load(engine / MODEL_FILE)
    helper.set_model_props(model, {SPEC_KEY: read_manifest(engine).spec.to_json()})
    onnx.save(model, target)
    return target


def write_tiny_engine(folder: Path, model: bytes, spec: ModelSpec, options: Mapping[str, Any]) -> Path:
    """Write an engine folder around the bytes of a model."""

    manifest = Manifest(
        backend="onnxruntime",
        backend_version="0",
        precision="fp32",
        device="cpu",
        spec=spec,
        model_sha256="0" * 64,
        files={MODEL_FILE: ""},
        options=options,
    )
    with engine_folder(folder) as staging:
        (staging / MODEL_FILE).write_bytes(model)
        seal(staging, manifest)
    return folder


def _write(
    folder: Path,
    nodes: list[onnx.NodeProto],
    constants: Mapping[str, NDArray[Any]],
    spec: ModelSpec,
) -> Path:
    image_type = helper.np_dtype_to_tensor_dtype(np.dtype(spec.input.dtype))
    image = helper.make_tensor_value_info(
        "image", image_type, [spec.input.batch, spec.input.height, spec.input.width, 3]
    )
    outputs = [
        helper.make_tensor_value_info(o.name, helper.np_dtype_to_tensor_dtype(np.dtype(o.dtype)), o.shape)
        for o in spec.outputs
    ]
    initializers = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "tiny", [image], outputs, initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    onnx.checker.check_model(model, full_check=True)
    options = {
        "model_file": MODEL_FILE,
        "intra_op_threads": 1,
        "execution_mode": "sequential",
        "graph_optimization": "all",
    }
    return write_tiny_engine(folder, model.SerializeToString(), spec, options)
