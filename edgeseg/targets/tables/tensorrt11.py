"""TensorRT 11, in any of its versions."""

from edgeseg.targets.nvidia import PARSER
from edgeseg.targets.operator_table import operator_table
from edgeseg.targets.target import Limit, Target

OPSET = Limit(
    24,
    "https://github.com/onnx/onnx-tensorrt/blob/release/10.15-GA/docs/operators.md: to 24; "
    "https://github.com/NVIDIA/TensorRT/releases/tag/v11.5 adds 25",
)

TARGET = Target(
    name="tensorrt11",
    title="TensorRT 11, from 11.0 on",
    backend="tensorrt",
    library="TensorRT 11.0",
    proof="documents alone; edgeseg has run no engine of TensorRT",
    opset=OPSET,
    operators=operator_table("tensorrt-10.15"),
    rules=PARSER,
    notes=(
        "networks are strongly typed: what an engine computes in is in the graph, as edgeseg build makes it",
    ),
)
