"""What `edgeseg doctor` shows of OpenVINO: the devices that it runs on."""

from __future__ import annotations

from typing import Any

from edgeseg.engines.openvino.facts import FACTS
from edgeseg.extras import require


def examine(installed: bool) -> dict[str, Any]:
    """Name the devices, as `CPU: AMD EPYC`."""
    if not installed:
        return {"openvino_devices": []}
    core = require("openvino", FACTS.extra).Core()
    names = core.available_devices
    return {"openvino_devices": [f"{name}: {core.get_property(name, 'FULL_DEVICE_NAME')}" for name in names]}


def rows(findings: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Say which devices there are, in one line."""
    return [("devices of OpenVINO", ", ".join(findings["openvino_devices"]) or "none", "")]
