"""What `edgeseg doctor` shows of ONNX Runtime: its execution providers, and its wheels."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Sequence
from typing import Any

from edgeseg.engines.onnxruntime.facts import FACTS
from edgeseg.engines.onnxruntime.providers import PROVIDERS
from edgeseg.extras import require

# Wheels that hold the module `onnxruntime`, by the extra that brings them; each overwrites the other.
WHEELS = {"cpu": "onnxruntime", "gpu": "onnxruntime-gpu"}
EXTRA_OF_DEVICE = {"cpu": "cpu", "cuda": "gpu", "tensorrt": "gpu"}  # of the others no wheel is known


def examine(installed: bool) -> dict[str, Any]:
    """Name the providers of this ONNX Runtime, and the wheels of it that are installed."""
    found = require("onnxruntime", FACTS.extra).get_available_providers() if installed else []
    wheels = [wheel for wheel in WHEELS.values() if _is_installed(wheel)]
    return {"providers": list(found), "onnxruntime_wheels": wheels}


def rows(findings: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Say of each provider whether it is here, and what brings it."""
    wheels = findings["onnxruntime_wheels"]
    lines = []
    for device, (provider, *_) in PROVIDERS.items():
        here = provider in findings["providers"]
        extra = EXTRA_OF_DEVICE.get(device)
        fix = "" if here or extra is None else fix_for_provider(extra, wheels)
        lines.append((f"{provider} (--device {device})", "ready" if here else "not here", fix))
    if len(wheels) > 1:
        lines.append((" and ".join(wheels), "overwrite each other", fix_for_provider("gpu", wheels)))
    return lines


def fix_for_provider(extra: str, wheels: Sequence[str]) -> str:
    """Give the command that brings the wheel of an execution provider; any other has to go first."""
    install = f"pip install 'edgeseg[{extra}]'"
    return f"pip uninstall {' '.join(wheels)}; {install}" if wheels else install


def _is_installed(wheel: str) -> bool:
    try:
        importlib.metadata.version(wheel)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True
