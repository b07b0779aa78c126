"""What TensorRT is to edgeseg."""

from __future__ import annotations

from edgeseg.engines.facts import Facts, GraphRules

GPU = "cuda"

UINT16 = "takes numbers of 16 bits; export with --input-dtype float32, which takes the same frames"

# Operators of ONNX that TensorRT has no layer for, or only one whose output's size depends on the data: those
# keep it from CUDA graphs and, in TensorRT for RTX, have no kernel. Its own parser stops at the first error.
RULES = GraphRules(
    operators={
        "NonMaxSuppression": "its output's size depends on the data",
        "NonZero": "its output's size depends on the data",
        "RoiAlign": "needs a plugin",
        "Compress": "its output's size depends on the data; compute with torch.where instead of a boolean "
        "index",
        "Unique": "its output's size depends on the data; keep all values",
        "DeformConv": "needs a plugin; write with grid_sample",
        "MaxUnpool": "needs a plugin; write with interpolate",
        "Det": "has no layer; compute it outside the network",
        "StringNormalizer": "has no layer; compute it outside the network",
        "Optional": "has no layer; return tensors",
        "SequenceConstruct": "has no layer; stack the tensors",
    },
    inputs={
        ("DequantizeLinear", "int32"): "dequantises int32; leave biases in float, as edgeseg build "
        "--precision int8 does",
        ("Cast", "uint16"): UINT16,
    },
    outputs=dict.fromkeys(("double", "string", "complex64"), "compute in float32"),
    standard_operators_only=True,
    fixed_shapes=True,
)

FACTS = Facts(
    title="TensorRT",
    extra="tensorrt",
    modules=("tensorrt",),
    devices=(GPU,),
    lowerings=("dense",),
    int8={GPU: "symmetric"},
    rules=RULES,
    lacks={"compute_capabilities": "TensorRT builds for the GPU it runs on"},
)
