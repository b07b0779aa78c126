"""What ONNX Runtime is to edgeseg."""

from __future__ import annotations

from edgeseg.engines.facts import CPU, Facts

FACTS = Facts(
    title="ONNX Runtime",
    extra="cpu",
    modules=("onnxruntime",),
    purpose="run, profile: ONNX Runtime engines",
    devices=(CPU, "cuda", "tensorrt", "tensorrt_rtx", "openvino"),  # an execution provider each
    passes=(
        "wide dilations by fewer products",
        "dilated convolutions by phases",
        "concatenations as sums",
        "labels by matrix products",
        "class masks before their pixels are in order",
        "3x3 convolutions by Winograd",
    ),
    int8={CPU: "unsigned_io", "tensorrt": "symmetric", "tensorrt_rtx": "symmetric", "openvino": "symmetric"},
    no_int8={
        "cuda": "ONNX Runtime computes int8 convolutions in float32 on cuda; use --device tensorrt, or "
        "--precision fp16"
    },
)
