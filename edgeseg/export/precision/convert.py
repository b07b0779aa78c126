"""Turn a portable float32 model into one of another precision, with the report of what was done."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from edgeseg.bundle import SPEC_KEY
from edgeseg.errors import EngineError, SpecError
from edgeseg.export.parity import run_all
from edgeseg.export.portable import graph_sha256, metadata_of, open_run
from edgeseg.export.precision.agreement import points_lost
from edgeseg.export.precision.cache import read_cache, write_cache
from edgeseg.export.precision.calibration import observe
from edgeseg.export.precision.graph import GraphView
from edgeseg.export.precision.half import half_candidates, half_layers, to_half
from edgeseg.export.precision.quantise import Scheme, plan, quantise
from edgeseg.export.precision.ranges import threshold
from edgeseg.export.precision.report import PrecisionReport
from edgeseg.export.precision.sensitivity import MOST_GROUPS, search
from edgeseg.records import from_plain, to_plain
from edgeseg.spec import CalibrationMethod, ModelSpec, Precision

DEFAULT_METHOD: CalibrationMethod = "entropy"
DEFAULT_MAX_DROP = 0.5  # points
LEAST_JUDGED = 4  # images
JUDGING_BUDGET_S = 240.0  # for all groups of layers once

Say = Callable[[str], None]


@dataclass(frozen=True)
class Calibration:
    """What ranges are measured on, and how int8 is chosen.

    Attributes:
        images: (M, H, W, 3) uint8 BGR of the model's size.
        method: turns magnitudes into int8 ranges.
        cache: a file of ranges to read, if it is of this model and these images, and to write.
        max_drop: points that int8 may cost; see `agreement`.
    """

    images: NDArray[np.uint8]
    method: CalibrationMethod = DEFAULT_METHOD
    cache: Path | None = None
    max_drop: float = DEFAULT_MAX_DROP


@dataclass(frozen=True)
class Int8Choice:
    """All that is needed to convert one model to int8 again, without images.

    Attributes:
        graph_sha256: of the portable model.
        scheme: the form its backend wants.
        ranges: threshold of each tensor.
        float_layers: layers left in float by measurement.
        report: what was measured.
    """

    graph_sha256: str
    scheme: Scheme
    ranges: Mapping[str, float]
    float_layers: tuple[str, ...]
    report: PrecisionReport

    def to_json(self) -> str:
        """Write as JSON with sorted keys."""
        return json.dumps(to_plain(self), indent=1, sort_keys=True) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Int8Choice:
        """Read what `to_json` wrote.

        Raises:
            SpecError: if the text is something else.
        """
        try:
            return from_plain(cls, json.loads(text))
        except ValueError as error:
            raise SpecError(f"the int8 ranges are not JSON: {error}") from error


def to_fp16(
    model: onnx.ModelProto, spec: ModelSpec, calibration: Calibration, on_step: Say = lambda step: None
) -> tuple[onnx.ModelProto, PrecisionReport]:
    """Convert a portable model to float16 where that is safe; see `half`."""
    view = GraphView(model)
    on_step("measuring ranges")
    peaks = ranges_of(model, half_candidates(view), calibration, spec.input.batch, None)
    converted, kept, operators = to_half(model, view, peaks)
    on_step("comparing with float32")
    images = calibration.images
    batch = spec.input.batch
    reference = run_all(open_run(model.SerializeToString()), images, batch)
    found = run_all(open_run(converted.SerializeToString()), images, batch)
    in_half = half_layers(view, kept)
    layers: dict[str, Precision] = {
        layer.name: "fp16" if layer.name in in_half else "fp32" for layer in view.layers()
    }
    lost = points_lost(reference, found, spec)
    report = PrecisionReport("fp16", len(images), tuple(kept), lost, layers, operators=tuple(operators))
    return _finish(converted), report


def to_int8(
    model: onnx.ModelProto,
    spec: ModelSpec,
    calibration: Calibration,
    scheme: Scheme,
    on_step: Say = lambda step: None,
) -> tuple[onnx.ModelProto, PrecisionReport]:
    """Convert a portable model to int8, but for the layers that would cost too much.

    Raises:
        EngineError: if no layer can compute in int8.
    """
    choice = choose_int8(model, spec, calibration, scheme, on_step)
    return quantised(model, choice), choice.report


def choose_int8(
    model: onnx.ModelProto,
    spec: ModelSpec,
    calibration: Calibration,
    scheme: Scheme,
    on_step: Say = lambda step: None,
) -> Int8Choice:
    """Measure ranges, and which layers int8 would cost too much.

    Raises:
        EngineError: if no layer can compute in int8.
    """
    view = GraphView(model)
    on_step("measuring ranges")
    # The cache serves every scheme, and every choice of layers: what these quantise is among this.
    names = list({**plan(view, "symmetric").source, **plan(view, "onnxruntime").source})
    ranges = ranges_of(model, names, calibration, spec.input.batch, calibration.method)
    by_rule = plan(view, scheme).float_layers
    in_float = {entry.name for entry in by_rule}
    layers = [layer.name for layer in view.layers() if layer.name not in in_float]
    batch = spec.input.batch
    run = open_run(model.SerializeToString())
    images = _affordable(run, calibration.images, batch)
    reference = run_all(run, images, batch)

    def drop_of(float_layers: Collection[str]) -> float:
        candidate = quantise(model, view, ranges, scheme, float_layers)
        return points_lost(reference, run_all(open_run(candidate.SerializeToString()), images, batch), spec)

    on_step("comparing with float32")
    found = search(layers, drop_of, calibration.max_drop, on_step=on_step)
    chosen = tuple(entry.name for entry in found.float_layers)
    if len(chosen) == len(layers):
        raise EngineError(
            f"int8 costs {found.curve[0].drop_points:.2f} points, {calibration.max_drop:g} are allowed, "
            "and no layer can be in int8 within that; use --precision fp16, or allow more with --max-drop"
        )
    by_rule = plan(view, scheme, chosen).float_layers  # layers may have lost those that read them in int8
    in_float = {*chosen, *(entry.name for entry in by_rule)}
    report = PrecisionReport(
        "int8",
        len(calibration.images),
        by_rule,
        found.drop_points,
        {layer.name: "fp32" if layer.name in in_float else "int8" for layer in view.layers()},
        method=calibration.method,
        float_layers=found.float_layers,
        curve=found.curve,
        notes=(*found.notes, *_note(images, calibration.images)),
    )
    return Int8Choice(graph_sha256(model), scheme, ranges, chosen, report)


def quantised(model: onnx.ModelProto, choice: Int8Choice) -> onnx.ModelProto:
    """Convert a portable model to int8 as it was chosen for it.

    Raises:
        EngineError: if it was chosen for another model.
    """
    if choice.graph_sha256 != graph_sha256(model):
        raise EngineError("the int8 ranges are those of another model; calibrate again")
    view = GraphView(model)
    return _finish(quantise(model, view, choice.ranges, choice.scheme, choice.float_layers))


def ranges_of(
    model: onnx.ModelProto,
    names: Sequence[str],
    calibration: Calibration,
    batch: int,
    method: CalibrationMethod | None,
) -> dict[str, float]:
    """Measure, or read from the cache, the threshold of each tensor; its peak if `method` is None."""
    images = calibration.images
    digest = hashlib.sha256(f"{graph_sha256(model)} {images.shape} {method}".encode())
    digest.update(np.ascontiguousarray(images).tobytes())
    key = digest.hexdigest()
    if calibration.cache is not None:
        cached = read_cache(calibration.cache, key)
        if cached is not None and set(names) <= set(cached):
            return {name: cached[name] for name in names}
    observed = observe(model, names, images, batch)
    ranges = {name: threshold(seen, method) if method else seen.peak for name, seen in observed.items()}
    if calibration.cache is not None:
        write_cache(calibration.cache, key, ranges)
    return ranges


def _affordable(
    run: Callable[[NDArray[np.uint8]], object], images: NDArray[np.uint8], batch: int
) -> NDArray[np.uint8]:
    """Take as many images as can be run once for every group of layers within the budget."""
    first = np.resize(images, (batch, *images.shape[1:]))
    run(first)
    start = time.monotonic()
    run(first)
    seconds = (time.monotonic() - start) / batch
    count = int(JUDGING_BUDGET_S / MOST_GROUPS / max(seconds, 1e-3))
    return images[: max(count, LEAST_JUDGED)]


def _note(judged: NDArray[np.uint8], images: NDArray[np.uint8]) -> tuple[str, ...]:
    if len(judged) == len(images):
        return ()
    return (f"the drop was measured on {len(judged)} of {len(images)} images to save time",)


def _finish(model: onnx.ModelProto) -> onnx.ModelProto:
    """Keep the spec of the metadata alone: what else is there was measured on the float32 graph."""
    onnx.helper.set_model_props(model, {SPEC_KEY: metadata_of(model)[SPEC_KEY]})
    onnx.checker.check_model(model, full_check=True)
    return model
