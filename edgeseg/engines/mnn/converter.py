"""What runs in the process of a conversion: MNN's own converter, without the program around it.

That program, `mnnconvert`, installs a package and tells its makers of every conversion.
"""

from __future__ import annotations

import sys

OPTIMISE = "1"  # what is right for every graph; 2 is for most
CALLED = "edgeseg"  # what the converted model says of its maker


def main() -> None:
    """Convert an ONNX file; the command line names it and the target."""
    import _tools  # of MNN's wheel

    source, target = sys.argv[1:]
    _tools.mnnconvert(
        [
            *("mnnconvert", "--framework", "ONNX", "--modelFile", source, "--MNNModel", target),
            *("--optimizeLevel", OPTIMISE, "--bizCode", CALLED),
        ]
    )
