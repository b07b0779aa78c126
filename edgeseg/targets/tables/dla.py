"""The DLA of Jetson AGX Orin, by TensorRT 11.4.1."""

from edgeseg.targets.nvidia import AGX_ORIN, DLA, MODULES, NOT_RUN, PARSER
from edgeseg.targets.operator_table import operator_table
from edgeseg.targets.tables.tensorrt11 import OPSET
from edgeseg.targets.target import Target

TARGET = Target(
    name="dla",
    title="the DLA of Jetson AGX Orin with JetPack 7.2.2 or later (TensorRT 11.4.1)",
    backend="tensorrt",
    library="TensorRT 11.4.1",
    library_source="https://docs.nvidia.com/deeplearning/tensorrt/11.4.1/inference-library/work-with-dla.html",
    proof=NOT_RUN,
    opset=OPSET,
    operators=operator_table("tensorrt-10.15"),
    rules=PARSER,
    accelerator=DLA,
    devices=AGX_ORIN,
    devices_source=MODULES,
    notes=(
        "TensorRT 11.0 to 11.3 have no DLA, and of 10 only those up to 10.7; nor has Jetson Thor "
        "(https://docs.nvidia.com/deeplearning/tensorrt/11.4.1/inference-library/work-with-dla.html)",
        "edgeseg builds strongly typed networks; whether TensorRT 10, on JetPack 6, takes these for a DLA is "
        "not known",
        "TensorRT moves nodes to the GPU without a word",
    ),
)
