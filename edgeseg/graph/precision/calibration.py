"""Run a graph over images and see which values its tensors take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from edgeseg.graph.passes.samples import SAMPLES, ShowSamples, sample_names, size_of
from edgeseg.graph.passes.sequence import changed
from edgeseg.graph.protos import to_bytes
from edgeseg.graph.running import open_run
from edgeseg.graph.view import name_of


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


def observe(model: ir.Model, names: Sequence[str], images: NDArray[Any], batch: int) -> dict[str, Observed]:
    """Run a float32 model over images and look at tensors.

    Args:
        model: with its types inferred; it is not changed.
        names: of the tensors.
        images: (M, H, W, C) of the model's size.
        batch: of the model.
    """
    sizes = {name_of(value): size_of(value) for node in model.graph for value in node.outputs}
    run = open_run(to_bytes(changed(model, ShowSamples(names)).model))
    observed = {name: Observed() for name in names}
    for first in range(0, len(images), batch):
        part = images[first : first + batch]
        values = run(np.concatenate([part, np.repeat(part[-1:], batch - len(part), axis=0)]))
        for name, seen in observed.items():
            if sizes[name]:
                sample, least, most = (values[shown] for shown in sample_names(name))
                seen.add(sample, (float(least), float(most)))
            else:
                whole = values[name].ravel()
                step = max(1, len(whole) // SAMPLES)
                seen.add(whole[::step], (whole.min(initial=0.0), whole.max(initial=0.0)))
    return observed
