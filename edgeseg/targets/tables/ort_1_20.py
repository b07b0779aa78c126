"""ONNX Runtime 1.20, the oldest that edgeseg admits."""

from edgeseg.targets.operator_table import operator_table
from edgeseg.targets.target import Limit, Target

_ITSELF = "onnxruntime 1.20.0 itself, which .ci/matrix asks"

TARGET = Target(
    name="ort-1.20",
    title="ONNX Runtime 1.20, on processors",
    backend="onnxruntime",
    library="ONNX Runtime 1.20",
    proof="the library itself, in CI: numbers, operators, and engines of the demo's networks",
    opset=Limit(21, _ITSELF),
    ir_version=Limit(10, _ITSELF),
    operators=operator_table("onnxruntime-1.20"),
)
