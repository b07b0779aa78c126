"""Choose by images what of a portable model computes in int8, and make that graph."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

import onnx_ir as ir

from edgeseg.errors import EngineError, SpecError
from edgeseg.graph.portable import PortableModel
from edgeseg.graph.precision.cache import Cache
from edgeseg.graph.precision.convert import (
    DEFAULT_MAX_DROP,
    Calibration,
    ConversionResult,
    Say,
    finished,
    measured_on,
    ranges_of,
)
from edgeseg.graph.precision.evaluator import Evaluator
from edgeseg.graph.precision.quantise import plan, quantise
from edgeseg.graph.precision.report import Kept, PrecisionReport
from edgeseg.graph.precision.sensitivity import search
from edgeseg.graph.precision.trials import Form, Trials
from edgeseg.graph.protos import to_bytes
from edgeseg.graph.running import REFERENCE, Run, open_run
from edgeseg.reading import parse_json
from edgeseg.records import from_json_value, to_json_value
from edgeseg.spec import CalibrationMethod, Int8Scheme, Magnitude

EVALUATION_BUDGET_S = 240.0  # for all groups of layers once
METHODS: tuple[CalibrationMethod, ...] = ("entropy", "percentile", "mse", "minmax")
"""In the order in which they are tried."""

OpenTrial = Callable[[ir.Model], AbstractContextManager[Sequence[Run]]]
"""Opens a graph as the engine will compute it; several runs, where it may end in one of several backends."""


@contextmanager
def in_reference(model: ir.Model) -> Iterator[list[Run]]:
    """Open a graph in ONNX Runtime, where the engine's own backend cannot be tried."""
    yield [open_run(to_bytes(model))]


@dataclass(frozen=True)
class Int8Choice:
    """All that is needed to convert one model to int8 again, without images.

    Attributes:
        graph_sha256: of the portable model.
        scheme: the form its backend wants.
        ranges: threshold of each tensor.
        float_layers: layers left in float by measurement.
        report: what was measured.
        max_drop: points that were allowed.
        wide: whether weights of 8 bits lost less than narrow ones although kernels saturate.
    """

    graph_sha256: str
    scheme: Int8Scheme
    ranges: Mapping[str, Magnitude]
    float_layers: tuple[str, ...]
    report: PrecisionReport
    max_drop: float = DEFAULT_MAX_DROP
    wide: bool = False

    def to_json(self) -> str:
        """Write as JSON with sorted keys."""
        return json.dumps(to_json_value(self), indent=1, sort_keys=True) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Int8Choice:
        """Read what `to_json` wrote.

        Raises:
            SpecError: if the text is something else.
        """
        try:
            return from_json_value(cls, parse_json(text, SpecError, "the int8 ranges"))
        except ValueError as error:
            raise SpecError(f"the int8 ranges are not JSON: {error}") from error


@dataclass(frozen=True)
class Target:
    """Where int8 will run.

    Attributes:
        scheme: the form its backend wants.
        open_trial: opens a candidate there.
        backend: its name, for the report.
        saturates: whether its kernels add two products in 16 bits, so that narrow weights may lose less.
    """

    scheme: Int8Scheme
    open_trial: OpenTrial = in_reference
    backend: str = REFERENCE
    saturates: bool = False


def choose_int8(
    model: PortableModel,
    calibration: Calibration,
    evaluator: Evaluator,
    target: Target,
    on_step: Say = lambda step: None,
) -> Int8Choice:
    """Measure ranges, and which layers int8 would cost too much.

    Args:
        evaluator: of this model.

    Raises:
        EngineError: if no layer can compute in int8.
    """
    view = model.view
    scheme = target.scheme
    by_rule = plan(view, scheme).float_layers
    rules = {entry.name for entry in by_rule}
    layers = [layer.name for layer in view.layers() if layer.name not in rules]
    if not layers:
        raise EngineError(_nothing_for_int8(by_rule, target))
    on_step("measuring ranges")
    methods = METHODS if calibration.method is None else (calibration.method,)
    # The cache serves every scheme, and every choice of layers: what these quantise is among this.
    names = list({**plan(view, "symmetric").source, **plan(view, "unsigned_io").source})
    measured = ranges_of(model, names, calibration, evaluator.spec.input.batch, methods)
    ranges = dict(zip(methods, measured, strict=True))

    def in_float(float_layers: Collection[str]) -> set[str]:
        """Name all of `layers` that compute in float once these are left in float."""
        return {
            *float_layers,
            *(entry.name for entry in plan(view, scheme, float_layers).float_layers),
        } - rules

    def measure(form: Form, float_layers: Collection[str]) -> float:
        candidate = quantise(view, ranges[form.method], scheme, float_layers, narrow=form.narrow)
        with target.open_trial(candidate.model) as runs:
            return max(evaluator.points_lost(run) for run in runs)

    trials = Trials(measure, Cache(calibration.cache), _key(model, evaluator, target))
    on_step(
        f"comparing with float32, which takes {evaluator.seconds:.1f} s for {len(evaluator.images)} images"
    )
    bound = calibration.max_drop - calibration.margin
    form = _best_form(methods, trials, bound, target)
    found = search(
        layers,
        lambda float_layers: trials.points_lost(form, float_layers),
        bound,
        in_float=in_float,
        on_step=on_step,
        seconds_each=trials.seconds,
    )
    chosen = tuple(entry.name for entry in found.float_layers)
    if len(chosen) == len(layers):
        no_truth = evaluator.spec.task == "semantic" and evaluator.labels is None
        fix = "give --labels, so that only true points count, " if no_truth else ""
        raise EngineError(
            f"int8 costs {found.curve[0].drop_points:.2f} points, {calibration.max_drop:g} are allowed, "
            f"and no layer can be in int8 within that; {fix}use --precision fp16, or allow more with "
            "--max-drop"
        )
    by_rule = plan(view, scheme, chosen).float_layers  # layers may have lost those that read them in int8
    left = {*chosen, *(entry.name for entry in by_rule)}
    report = PrecisionReport(
        "int8",
        len(calibration.images),
        by_rule,
        found.drop_points,
        {layer.name: "fp32" if layer.name in left else "int8" for layer in view.layers()},
        metric=evaluator.metric,
        float_miou=evaluator.float_miou,
        backend=target.backend,
        method=form.method,
        interrupted=found.interrupted,
        float_layers=found.float_layers,
        curve=found.curve,
        notes=(*found.notes, *_note(evaluator, calibration)),
    )
    wide = target.saturates and not form.narrow
    return Int8Choice(
        model.graph_sha256, scheme, ranges[form.method], chosen, report, calibration.max_drop, wide
    )


def quantised(model: PortableModel, choice: Int8Choice, *, narrow: bool = False) -> ConversionResult:
    """Convert a portable model to int8 as it was chosen for it.

    Args:
        narrow: whether weights are to be narrow on this device, which need not be the one that was
            chosen on.

    Raises:
        EngineError: if it was chosen for another model.
    """
    if choice.graph_sha256 != model.graph_sha256:
        raise EngineError("the int8 ranges are those of another model; calibrate again")
    int8 = quantise(model.view, choice.ranges, choice.scheme, choice.float_layers, narrow=narrow)
    return ConversionResult(finished(int8.model), int8.modified, choice.report)


def _best_form(methods: Sequence[CalibrationMethod], trials: Trials, max_drop: float, target: Target) -> Form:
    """Choose what loses least with all layers in int8, up to the first method that loses little enough.

    Where kernels saturate, weights of 8 bits are tried beside narrow ones: either may cost more.
    """
    lost: dict[Form, float] = {}
    for method in methods:
        forms = [Form(method, narrow) for narrow in ((True, False) if target.saturates else (False,))]
        lost.update({form: trials.points_lost(form, ()) for form in forms})
        if min(lost.values()) <= max_drop:
            break
    return min(lost, key=lambda form: lost[form])


def _nothing_for_int8(by_rule: Sequence[Kept], target: Target) -> str:
    """Say why no layer of a model can compute in int8."""
    found = "it has no convolution or matrix product with trained weights"
    if by_rule:
        reasons = " or ".join(dict.fromkeys(entry.reason for entry in by_rule))
        found = f"each layer with weights stays in float in {target.backend} ({reasons})"
    return f"nothing in this model can compute in int8: {found}; use --precision fp32 or fp16"


def _key(model: PortableModel, evaluator: Evaluator, target: Target) -> str:
    """Say what candidates have in common: model, images, labels, and what runs them."""
    labels = b"" if evaluator.labels is None else evaluator.labels.tobytes()
    further = (target.scheme, target.backend, str(target.saturates), hashlib.sha256(labels).hexdigest())
    return measured_on(model, evaluator.images, *further)


def _note(evaluator: Evaluator, calibration: Calibration) -> tuple[str, ...]:
    if len(evaluator.images) == len(calibration.images):
        return ()
    return (
        f"the drop was measured on {len(evaluator.images)} of {len(calibration.images)} images to save time",
    )
