"""JetPack 6.1 and 6.2, on Jetson Orin."""

from edgeseg.targets.nvidia import MODULES, NOT_RUN, ORIN, PARSER
from edgeseg.targets.operator_table import operator_table
from edgeseg.targets.target import Limit, Target

TARGET = Target(
    name="jetpack6",
    title="Jetson Orin with JetPack 6.1 or 6.2 (TensorRT 10.3)",
    backend="tensorrt",
    library="TensorRT 10.3",
    library_source="https://docs.pytorch.org/TensorRT/getting_started/jetpack.html",
    proof=NOT_RUN,
    opset=Limit(
        20,
        "operators.md of https://github.com/onnx/onnx-tensorrt/tree/release/10.0-GA/docs: opset 9 to 20; "
        "its Changelog.md raises ONNX first in 10.6",
    ),
    operators=operator_table("tensorrt-10.3"),
    rules=PARSER,
    devices=ORIN,
    devices_source=MODULES,
    notes=(
        "JetPack 6.0 has TensorRT 8.6, which edgeseg does not open; JetPack 6 gets no TensorRT 11 "
        "(https://docs.nvidia.com/deeplearning/tensorrt/11.4.1/api/migration/tensorrt-10x-to-11x-jetson.html)",
    ),
)
