"""JetPack 7.2, on Jetson Orin and Thor."""

from edgeseg.targets.nvidia import MODULES, NOT_RUN, ORIN, PARSER, THOR
from edgeseg.targets.operator_table import operator_table
from edgeseg.targets.tables.tensorrt11 import OPSET
from edgeseg.targets.target import Target

TARGET = Target(
    name="jetpack7.2",
    title="Jetson Orin or Thor with JetPack 7.2 (TensorRT 10.16, from 7.2.2 on 11.4 where it is installed)",
    backend="tensorrt",
    library="TensorRT 10.16",
    library_source="https://github.com/Shattered217/Jetson-Orin-Wheels found 10.16.2 on JetPack 7.2.0; "
    "https://docs.nvidia.com/deeplearning/tensorrt/11.4.1/api/migration/tensorrt-10x-to-11x-jetson.html: "
    "11.4.1 from 7.2.2 on",
    proof=NOT_RUN,
    opset=OPSET,
    operators=operator_table("tensorrt-10.15"),
    rules=PARSER,
    devices=(*ORIN, *THOR),
    devices_source=MODULES,
    notes=(
        "engines of TensorRT 10 do not open in 11: build again after an upgrade "
        "(https://docs.nvidia.com/deeplearning/tensorrt/11.4.1/api/migration/tensorrt-10x-to-11x-jetson.html)",
    ),
)
