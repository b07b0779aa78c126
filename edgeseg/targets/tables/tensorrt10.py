"""TensorRT 10, in any of its versions."""

from edgeseg.targets.nvidia import PARSER
from edgeseg.targets.operator_table import operator_table
from edgeseg.targets.target import Limit, Target

TARGET = Target(
    name="tensorrt10",
    title="TensorRT 10, from 10.0 on",
    backend="tensorrt",
    library="TensorRT 10.0",
    proof="documents alone; edgeseg has run no engine of TensorRT",
    opset=Limit(
        20,
        "operators.md of https://github.com/onnx/onnx-tensorrt/tree/release/10.0-GA/docs: opset 9 to 20; "
        "that of 10.15: to 24",
    ),
    operators=operator_table("tensorrt-10.0"),
    rules=PARSER,
)
