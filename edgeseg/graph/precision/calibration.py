"""Run a graph over images and see which values its tensors take."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from edgeseg.graph.running import open_run
from edgeseg.graph.view import FLOAT, GraphView

SAMPLES = 16384  # magnitudes of a tensor that are kept of an image: its tail of 1 in 1,000 is seen well
_PREFIX = "edgeseg.observed."
_FLAT, _STEP = f"{_PREFIX}flat", f"{_PREFIX}step"


@dataclass
class Observed:
    """What one tensor was seen to hold.

    Attributes:
        peak: its largest magnitude; infinite if a value was not a number.
        samples: magnitudes, some of each image, evenly spread.
    """

    peak: float = 0.0
    samples: list[NDArray[np.float32]] = field(default_factory=list)

    def magnitudes(self) -> NDArray[np.float32]:
        """Give all samples as one array (n,)."""
        return np.concatenate(self.samples) if self.samples else np.zeros(0, np.float32)

    def add(self, values: NDArray[np.float32], extremes: Sequence[float]) -> None:
        """Take in values of one image, and the extremes of all its values."""
        peak = float(np.abs(np.array([*extremes, 0.0])).max())
        self.peak = max(self.peak, peak) if np.isfinite(peak) else np.inf
        self.samples.append(np.abs(values))


def observe(
    model: onnx.ModelProto, names: Sequence[str], images: NDArray[np.uint8], batch: int
) -> dict[str, Observed]:
    """Run a float32 model over images and look at tensors.

    Samples and extremes of tensors of a fixed size are taken inside the graph: whole activations of a large
    network fill gigabytes.

    Args:
        names: of the tensors.
        images: (M, H, W, 3) uint8 BGR of the model's size.
        batch: of the model.
    """
    view = GraphView(model)
    sizes = {name: _size(view, name) for name in names}
    run = open_run(_instrumented(model, sizes).SerializeToString())
    observed = {name: Observed() for name in names}
    for first in range(0, len(images), batch):
        part = images[first : first + batch]
        values = run(np.concatenate([part, np.repeat(part[-1:], batch - len(part), axis=0)]))
        for name, seen in observed.items():
            if sizes[name]:
                sample, least, most = (values[_output(name, kind)] for kind in ("sample", "least", "most"))
                seen.add(sample, (float(least), float(most)))
            else:
                whole = values[name].ravel()
                step = max(1, len(whole) // SAMPLES)
                seen.add(whole[::step], (whole.min(initial=0.0), whole.max(initial=0.0)))
    return observed


def _size(view: GraphView, name: str) -> int | None:
    """Count a tensor's values; None where it depends on the data."""
    size = 1
    for side in view.shapes.get(name, (None,)):
        if side is None:
            return None
        size *= side
    return size


def _instrumented(model: onnx.ModelProto, sizes: dict[str, int | None]) -> onnx.ModelProto:
    """Replace a graph's outputs by what is to be seen of its tensors."""
    probed = onnx.ModelProto()
    probed.CopyFrom(model)
    graph = probed.graph
    del graph.output[:]
    integers = {_FLAT: [-1]}
    nodes: list[onnx.NodeProto] = []
    outputs: list[str] = []
    for name, size in sizes.items():
        if not size:
            outputs.append(name)
            continue
        step = _step(size)
        integers |= {f"{_STEP}{step}": [step], f"{_PREFIX}0": [0], f"{_PREFIX}end": [np.iinfo(np.int64).max]}
        flat, sample, least, most = (_output(name, kind) for kind in ("flat", "sample", "least", "most"))
        starts, ends, axes, steps = f"{_PREFIX}0", f"{_PREFIX}end", f"{_PREFIX}0", f"{_STEP}{step}"
        nodes += [
            helper.make_node("Reshape", [name, _FLAT], [flat]),
            helper.make_node("Slice", [flat, starts, ends, axes, steps], [sample]),
            helper.make_node("ReduceMin", [name], [least], keepdims=0),
            helper.make_node("ReduceMax", [name], [most], keepdims=0),
        ]
        outputs += [sample, least, most]
    graph.node.extend(nodes)
    graph.initializer.extend(
        numpy_helper.from_array(np.array(value, np.int64), name) for name, value in integers.items()
    )
    graph.output.extend(helper.make_tensor_value_info(name, FLOAT, None) for name in outputs)
    return probed


def _step(size: int) -> int:
    """Choose a step through a flat tensor that has no factor in common with its sides: it visits them all."""
    step = -(-size // SAMPLES)
    while math.gcd(step, size) > 1:
        step += 1
    return step


def _output(name: str, kind: str) -> str:
    return f"{_PREFIX}{kind}.{name}"
