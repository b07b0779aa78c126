"""Convert a portable float32 model to float16, and measure the ranges of its tensors on images."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from edgeseg.graph.portable import PortableModel
from edgeseg.graph.precision.cache import Cache
from edgeseg.graph.precision.calibration import observe
from edgeseg.graph.precision.evaluator import Evaluator
from edgeseg.graph.precision.half import half_candidates, half_layers, to_half
from edgeseg.graph.precision.ranges import threshold
from edgeseg.graph.precision.report import PrecisionReport
from edgeseg.graph.protos import check, to_bytes
from edgeseg.graph.running import open_run
from edgeseg.manifest import SPEC_KEY
from edgeseg.spec import CalibrationMethod, Precision

DEFAULT_MAX_DROP = 0.5  # points

Say = Callable[[str], None]


@dataclass(frozen=True)
class Calibration:
    """What ranges are measured on, and how int8 is chosen.

    Attributes:
        images: (M, H, W, C) of the model's size.
        method: turns magnitudes into int8 ranges; None for the one that loses least.
        cache: a file of measurements to read, where they are of this model and these images, and to write.
        max_drop: points that int8 may cost; see `agreement`.
        labels: (M, H, W) uint8, the truth of the images for a semantic model; None where it is not known.
        margin: points of `max_drop` that candidates must leave to the finished engine.
    """

    images: NDArray[Any]
    method: CalibrationMethod | None = None
    cache: Path | None = None
    max_drop: float = DEFAULT_MAX_DROP
    labels: NDArray[np.uint8] | None = None
    margin: float = 0.0


@dataclass
class ConversionResult(ir.passes.PassResult):
    """A model in another precision, and what was done to it.

    Attributes:
        report: what computes in which precision, and why.
    """

    report: PrecisionReport


def to_fp16(
    model: PortableModel, calibration: Calibration, evaluator: Evaluator, on_step: Say = lambda step: None
) -> ConversionResult:
    """Convert a portable model to float16 where that is safe; see `half`.

    Args:
        evaluator: of this model.
    """
    view = model.view
    on_step("measuring ranges")
    (peaks,) = ranges_of(model, half_candidates(view), calibration, evaluator.spec.input.batch, (None,))
    half, kept, operators = to_half(view, peaks)
    on_step("comparing with float32")
    in_half = half_layers(view, kept)
    layers: dict[str, Precision] = {
        layer.name: "fp16" if layer.name in in_half else "fp32" for layer in view.layers()
    }
    report = PrecisionReport(
        "fp16",
        len(calibration.images),
        tuple(kept),
        evaluator.points_lost(open_run(to_bytes(half.model))),
        layers,
        metric=evaluator.metric,
        float_miou=evaluator.float_miou,
        operators=tuple(operators),
    )
    return ConversionResult(finished(half.model), half.modified, report)


def ranges_of(
    model: PortableModel,
    names: Sequence[str],
    calibration: Calibration,
    batch: int,
    methods: Sequence[CalibrationMethod | None],
) -> list[dict[str, float]]:
    """Measure, or read from the cache, the threshold of each tensor by each method; its peak for None."""
    cache = Cache(calibration.cache)
    keys = [measured_on(model, calibration.images, str(method)) for method in methods]
    if not all(set(names) <= set(cache.get(key)) for key in keys):
        observed = observe(model.model, names, calibration.images, batch)
        for key, method in zip(keys, methods, strict=True):
            cache.add(
                key,
                {name: threshold(seen, method) if method else seen.peak for name, seen in observed.items()},
            )
    return [{name: cache.get(key)[name] for name in names} for key in keys]


def measured_on(model: PortableModel, images: NDArray[Any], *further: str) -> str:
    """Hash what a measurement is about: a key of the cache."""
    digest = hashlib.sha256(" ".join((model.graph_sha256, str(images.shape), *further)).encode())
    digest.update(np.ascontiguousarray(images).tobytes())
    return digest.hexdigest()


def finished(model: ir.Model) -> ir.Model:
    """Keep the spec of the metadata alone: what else is there was measured on the float32 graph."""
    spec = model.metadata_props[SPEC_KEY]
    model.metadata_props.clear()
    model.metadata_props[SPEC_KEY] = spec
    check(model)
    return model
