"""Make the ONNX files of matrix products by which ceilings are measured: `python -m tools.gemm_models`.

Each takes `x` and gives `y`, its product with a constant matrix, which the library unfolds from one number
when it opens the file: so a file has a few hundred bytes.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import edgeseg.engines
from edgeseg.engines.node_times import GEMM_SIZE_ON_GPU, GEMM_SIZES

FOLDER = Path(edgeseg.engines.__file__).parent / "gemm"
SIZES = (*GEMM_SIZES, GEMM_SIZE_ON_GPU)
PRECISIONS = ("fp32", "fp16", "int8")
OPSET = 17
IR_VERSION = 8


def gemm(precision: str, size: int) -> onnx.ModelProto:
    """Make the product of two square matrices; int8 is float32 with quantised inputs and output."""
    half = precision == "fp16"
    kind, dtype = (TensorProto.FLOAT16, np.float16) if half else (TensorProto.FLOAT, np.float32)
    x, y = (helper.make_tensor_value_info(name, kind, [size, size]) for name in ("x", "y"))
    constants = [numpy_helper.from_array(np.array([size, size], np.int64), "shape")]
    if precision != "int8":
        value = numpy_helper.from_array(np.full(1, 0.5, dtype))
        nodes = [
            helper.make_node("ConstantOfShape", ["shape"], ["w"], "w", value=value),
            helper.make_node("MatMul", ["x", "w"], ["y"], "product"),
        ]
    else:
        value = numpy_helper.from_array(np.full(1, 3, np.int8))
        constants += [
            numpy_helper.from_array(np.float32(0.01), "scale"),
            numpy_helper.from_array(np.float32(10.0), "scale_y"),
            numpy_helper.from_array(np.uint8(128), "zero"),
            numpy_helper.from_array(np.int8(0), "zero_w"),
        ]
        nodes = [
            helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["xq"], "quantise_x"),
            helper.make_node("DequantizeLinear", ["xq", "scale", "zero"], ["xd"], "dequantise_x"),
            helper.make_node("ConstantOfShape", ["shape"], ["wq"], "w", value=value),
            helper.make_node("DequantizeLinear", ["wq", "scale", "zero_w"], ["wd"], "dequantise_w"),
            helper.make_node("MatMul", ["xd", "wd"], ["m"], "product"),
            helper.make_node("QuantizeLinear", ["m", "scale_y", "zero"], ["yq"], "quantise_y"),
            helper.make_node("DequantizeLinear", ["yq", "scale_y", "zero"], ["y"], "dequantise_y"),
        ]
    graph = helper.make_graph(nodes, "gemm", [x], [y], constants)
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION, producer_name="edgeseg"
    )


def write(folder: Path) -> None:
    """Write all of them."""
    for precision in PRECISIONS:
        for size in SIZES:
            path = folder / f"{precision}-{size}.onnx"
            path.write_bytes(gemm(precision, size).SerializeToString(deterministic=True))


if __name__ == "__main__":
    write(FOLDER)
