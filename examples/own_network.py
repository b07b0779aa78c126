"""Take a network of your own from a training script to an engine that is proven to compute the same.

    python examples/own_network.py WEIGHTS OUTPUT

`export` compares the ONNX file with PyTorch, `build` the engine, and `verify` repeats the proof from what the
engine carries. Where results differ, each of them raises, and nothing is written.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from torch import nn

from edgeseg.engines import build, verify
from edgeseg.export import export

SIZE_HW = (96, 128)  # of the network's input, in pixels


def network(width: int = 8) -> nn.Module:
    """Make the network, as the training did."""
    return nn.Sequential(
        nn.Conv2d(3, width, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(width, 1, 1),
        nn.Sigmoid(),
    )


def main() -> None:
    """Export, build and verify."""
    weights, output = (Path(argument) for argument in sys.argv[1:])
    output.mkdir(parents=True, exist_ok=True)
    trained = network()
    trained.load_state_dict(torch.load(weights, weights_only=True))
    model = export(
        trained,
        output / "own.onnx",
        size_hw=SIZE_HW,
        class_names=("ground", "crack"),
        mean_rgb=(0.5, 0.5, 0.5),
        std_rgb=(0.5, 0.5, 0.5),
        head="sigmoid",  # what its output means
    )
    built = build(model.path, output / "engine")
    report = verify(output / "engine", reference=model.path)
    report.raise_if_failed("the engine")
    print(f"{built.manifest.backend}, {built.manifest.precision}: {report.images} images compared")


if __name__ == "__main__":
    main()
