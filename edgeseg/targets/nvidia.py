"""What targets of NVIDIA's share: rules of its parser, modules and their memory, the DLA."""

from __future__ import annotations

from edgeseg.targets.operator_table import operator_table
from edgeseg.targets.target import Accelerator, Between, ConstantInput, Device, Limit, OneOf

_OPERATORS_MD = "https://github.com/onnx/onnx-tensorrt/blob/release/10.15-GA/docs/operators.md"
_DOCS = "https://docs.nvidia.com/deeplearning/tensorrt"
_HEADER = "https://github.com/NVIDIA/TensorRT/blob/release/10.3/include/NvInfer.h"
_DLA_PAGE = f"{_DOCS}/latest/inference-library/dla-layer-restrictions.html"

NOT_RUN = "documents alone; edgeseg has run on none of these devices"

MODULES = "the names of NVIDIA's modules, https://developer.nvidia.com/embedded/jetson-modules"
ORIN = (
    Device("Jetson Orin Nano 4GB", 4),
    Device("Jetson Orin Nano 8GB", 8),
    Device("Jetson Orin NX 8GB", 8),
    Device("Jetson Orin NX 16GB", 16),
    Device("Jetson AGX Orin 32GB", 32),
    Device("Jetson AGX Orin 64GB", 64),
)
AGX_ORIN = ORIN[-2:]
THOR = (Device("Jetson T4000", 64), Device("Jetson T5000", 128))

PARSER = (
    OneOf(("Resize",), "antialias", ("0",), "0", _OPERATORS_MD),
    OneOf(("Resize",), "keep_aspect_ratio_policy", ("stretch",), "stretch", _OPERATORS_MD),
    OneOf(
        ("Resize",),
        "coordinate_transformation_mode",
        ("half_pixel", "pytorch_half_pixel", "tf_half_pixel_for_nn", "asymmetric", "align_corners"),
        "half_pixel",
        _OPERATORS_MD,
    ),
    Between(("AveragePool", "MaxPool", "LpPool"), "dilation", 1, 1, _OPERATORS_MD),
    Between(("TopK",), "k", 0, 3839, _OPERATORS_MD),
    OneOf(("TopK",), "sorted", ("1",), "1", _OPERATORS_MD),
    OneOf(("ScatterND",), "reduction", ("none",), "none", _OPERATORS_MD),
)
"""What onnx-tensorrt's parser refuses of operators that it takes, in every version from 10.0 on."""

_POOLS = ("AveragePool", "MaxPool")
_UPSAMPLING = ("Resize", "Upsample")

DLA = Accelerator(
    name="DLA",
    operators=operator_table("dla"),
    types=("float16", "int8"),
    types_source=f"{_DOCS}/11.4.1/inference-library/dla-strongly-typed-networks.html, and {_DLA_PAGE}",
    rules=(
        Between(("Conv",), "kernel", 1, 32, _HEADER),
        Between(("Conv",), "stride", 1, 8, _HEADER),
        Between(("Conv",), "padding", 0, 31, _HEADER),
        Between(("Conv",), "dilation", 1, 32, _HEADER),
        Between(("Conv", "ConvTranspose"), "output channels", 1, 8192, _HEADER),
        Between(("ConvTranspose",), "groups", 1, 1, _HEADER),
        Between(("ConvTranspose",), "dilation", 1, 1, _DLA_PAGE),
        Between(("ConvTranspose",), "padding", 0, 0, _DLA_PAGE),
        Between(_POOLS, "kernel", 1, 8, _HEADER),
        Between(_POOLS, "stride", 1, 16, _HEADER),
        Between(_POOLS, "padding", 0, 7, _HEADER),
        Between(("Concat",), "axis from the last", 3, 3, _HEADER),
        Between(("Softmax",), "size along the axis", 1, 1024, _HEADER),
        OneOf(_UPSAMPLING, "mode", ("nearest", "linear"), "nearest", _HEADER),
        OneOf(
            _UPSAMPLING,
            "coordinate_transformation_mode",
            ("half_pixel", "pytorch_half_pixel"),
            "half_pixel",
            _HEADER,
            when=(("mode", "linear"),),
        ),
        OneOf(
            _UPSAMPLING,
            "coordinate_transformation_mode",
            ("half_pixel", "asymmetric"),
            "half_pixel",
            _HEADER,
            when=(("mode", "nearest"),),
        ),
        Between(_UPSAMPLING, "scale", 1, 4, _HEADER, when=(("mode", "linear"),)),
        Between(_UPSAMPLING, "scale", 1, 32, _HEADER, when=(("mode", "nearest"),)),
        ConstantInput(("Gemm", "MatMul"), 1, operator_table("dla").source),
    ),
    side=Limit(8192, _DLA_PAGE),
    batch=Limit(4096, _DLA_PAGE),
    parts=Limit(16, _DLA_PAGE),
    command="--dla-core 0",
)
"""The DLA of Orin, by TensorRT's documentation."""
