"""Open engines as on a device, where what builds them is not installed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

BUILDERS = ("torch", "onnx", "onnx_ir", "onnxruntime")


def check_opens_quietly(engine: Path, scratch: Path) -> None:
    """Segment an image in a process that can import none of BUILDERS, and assert that it prints nothing."""
    for name in BUILDERS:
        (scratch / f"{name}.py").write_text(f"raise ImportError('{name} is not on the device')\n")
    program = f"""
import sys
sys.path.insert(0, {str(scratch)!r})
import numpy as np
from edgeseg.runtime import Segmenter
with Segmenter.open({str(engine)!r}) as segment:
    segment(np.zeros((32, 48, 3), np.uint8))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
