"""Say which GPU is here, and what is installed for it; without a GPU the exit status is 1.

python -m benchmarks.gpu_steps.machine
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from importlib.metadata import distributions

from edgeseg.engines.tensorrt_rtx.build import compute_capabilities

ASKED = ("name", "compute_cap", "driver_version", "memory.total", "clocks.max.sm", "power.limit")
DISTRIBUTIONS = (
    "torch",
    "onnxruntime",
    "onnxruntime-gpu",
    "tensorrt",
    "tensorrt-rtx-cu12",
    "cuda-bindings",
    "numpy",
    "opencv-python-headless",
)
NO_GPU = "no NVIDIA GPU can be used here: nvidia-smi finds none; run this on a machine that has one"


def main() -> int:
    """Print a line of JSON."""
    if (gpu := gpu_facts()) is None:
        print(NO_GPU, file=sys.stderr)
        return 1
    print(json.dumps({"gpu": gpu, "versions": versions()}))
    return 0


def gpu_facts() -> dict[str, str] | None:
    """Ask nvidia-smi for the first GPU; None where there is none."""
    if (program := shutil.which("nvidia-smi")) is None:
        return None
    command = [program, f"--query-gpu={','.join(ASKED)}", "--format=csv,noheader"]
    try:
        asked = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    if asked.returncode != 0 or not asked.stdout.strip():
        return None
    return dict(
        zip(ASKED, (value.strip() for value in asked.stdout.splitlines()[0].split(",")), strict=False)
    )


def rtx_capabilities() -> list[str] | None:
    """Name the compute capabilities that TensorRT for RTX builds for; None where it is not installed."""
    try:
        import tensorrt_rtx
    except (ImportError, OSError):
        return None
    return list(compute_capabilities(tensorrt_rtx))


def versions() -> dict[str, str]:
    """Give the versions of what is installed of DISTRIBUTIONS."""
    installed = {each.name: each.version for each in distributions()}
    return {name: installed[name] for name in DISTRIBUTIONS if name in installed}


if __name__ == "__main__":
    sys.exit(main())
