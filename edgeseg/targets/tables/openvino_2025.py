"""OpenVINO 2025.4, the oldest that edgeseg admits."""

from edgeseg.targets.operator_table import operator_table
from edgeseg.targets.target import Target

TARGET = Target(
    name="openvino-2025",
    title="OpenVINO 2025.4, on processors",
    backend="openvino",
    library="OpenVINO 2025.4",
    proof="the library itself, in CI: operators, and engines of the demo's networks",
    operators=operator_table("openvino-2025"),
    notes=(
        "it opens files of any opset and IR version, and reads operators as the newest that it knows",
        "2025.1 to 2025.3 do not open compiled detectors (NonMaxSuppression): edgeseg wants 2025.4",
    ),
)
