"""Take a network of your own from a function to an engine that is proven to compute the same.

    python examples/own_network.py WEIGHTS OUTPUT

`build` below is all that edgeseg needs to know of the network: what its pixels are, and what its output
means. The commands are those of a shell: export compares the ONNX file with PyTorch, build the engine,
and verify repeats the proof from what the engine carries. Where results differ, a command fails and
writes nothing.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SIZE = "96x128"  # height x width in pixels


def build(width: int = 8):
    """Make the network; edgeseg calls this, and loads the weights into what it returns."""
    from torch import nn

    from edgeseg.models.zoo import Network

    module = nn.Sequential(
        nn.Conv2d(3, width, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(width, 1, 1),
        nn.Sigmoid(),
    )
    half = (0.5, 0.5, 0.5)
    return Network(
        module, "semantic", mean_rgb=half, std_rgb=half, head="sigmoid", class_names=("ground", "crack")
    )


def main() -> None:
    """Export, build and verify."""
    weights, output = (Path(argument) for argument in sys.argv[1:])
    output.mkdir(parents=True, exist_ok=True)
    model, engine = output / "own.onnx", output / "engine"
    edgeseg("export", f"{__file__}:build", "--weights", weights, "--size", SIZE, "-o", model)
    edgeseg("build", model, "--precision", "fp32", "-o", engine)
    edgeseg("verify", engine, "--reference", model)


def edgeseg(*arguments: object) -> None:
    """Run one command of edgeseg's; raises if it fails."""
    subprocess.run([sys.executable, "-m", "edgeseg", *map(str, arguments)], check=True)


if __name__ == "__main__":
    main()
