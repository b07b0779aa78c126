"""What OpenVINO is to edgeseg."""

from __future__ import annotations

from edgeseg.engines.facts import CPU, Facts

FACTS = Facts(
    title="OpenVINO",
    extra="openvino",
    modules=("openvino",),
    purpose="run, build: OpenVINO engines",
    devices=(CPU, "gpu"),  # OpenVINO's names in small letters; its GPUs are Intel's
    int8={CPU: "unsigned", "gpu": "unsigned"},
)
