"""MNN 3.4, the oldest that edgeseg admits."""

from edgeseg.targets.operator_table import operator_table
from edgeseg.targets.target import Target

TARGET = Target(
    name="mnn-3",
    title="MNN 3.4, on processors",
    backend="mnn",
    library="MNN 3.4",
    proof="the library itself, in CI: operators, and engines of the demo's networks",
    operators=operator_table("mnn-3"),
    precisions=("fp32",),
    notes=(
        "its converter reads files of any opset and IR version; that it converts a graph does not prove what "
        "it computes: edgeseg build does",
        "3.0 to 3.2 find other objects with a Mask R-CNN: edgeseg wants 3.4",
    ),
)
