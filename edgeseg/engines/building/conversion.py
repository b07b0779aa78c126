"""Convert a portable model to the precision that is asked for, as one backend takes it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from edgeseg.engines.backend import open_backend
from edgeseg.engines.building.builders import layer_precisions_of
from edgeseg.engines.building.saturation import saturates
from edgeseg.engines.building.trial import can_try, trial
from edgeseg.engines.job import OpenEngine
from edgeseg.engines.request import Request
from edgeseg.errors import EngineError
from edgeseg.graph.portable import PortableModel
from edgeseg.graph.precision.choice import EVALUATION_BUDGET_S, Int8Choice, Target, choose_int8, quantised
from edgeseg.graph.precision.convert import DEFAULT_MAX_DROP, Calibration, to_fp16
from edgeseg.graph.precision.evaluator import Evaluator
from edgeseg.graph.precision.report import PrecisionReport
from edgeseg.graph.precision.sensitivity import MOST_GROUPS
from edgeseg.graph.running import Run, open_run, remembering
from edgeseg.graph.view import Layer
from edgeseg.manifest import Manifest
from edgeseg.proof.verify import Further
from edgeseg.scenes.inputs import input_images
from edgeseg.spec import ModelSpec

FRESH_SEEDS = range(100, 104)  # of pictures that the export did not see
TOLERATED_SHARE = 0.1  # of the int8 layers, that a library may still compute in float
NARROW = "this processor adds two int8 products in 16 bits: weights are narrowed so that none overflows"
WIDE = "this processor adds two int8 products in 16 bits, but weights of 8 bits lose less than narrowed ones"


class LosesMoreError(EngineError):
    """A finished int8 engine loses more than is allowed.

    Attributes:
        beyond: points that it loses more than its graph did when it was chosen.
    """

    def __init__(self, message: str, beyond: float) -> None:
        super().__init__(message)
        self.beyond = beyond


@dataclass(frozen=True)
class Converted:
    """A model in the precision asked for.

    Attributes:
        model: the portable model itself for fp32.
        report: what was done to it; None for fp32.
        layers: of the model.
        evaluator: of what the finished engine loses; None where there are no images to evaluate it on.
        max_drop: points that int8 may lose.
        further: of fp16, what the portable model computes of the images that an engine is proven on.
    """

    model: PortableModel
    report: PrecisionReport | None = None
    layers: Sequence[Layer] = ()
    evaluator: Evaluator | None = None
    max_drop: float = DEFAULT_MAX_DROP
    further: Further | None = None

    def built(self, folder: Path, manifest: Manifest) -> Converted:
        """Say in the report what an engine made of the model.

        Raises:
            EngineError: if layers that were to compute in int8 do not.
        """
        read = layer_precisions_of(manifest.backend)
        if self.report is None or read is None:
            return self
        found = read(folder, manifest, self.layers)
        wanted = [name for name, precision in self.report.layers.items() if precision == "int8"]
        failed = [name for name in wanted if found.get(name, "int8") != "int8"]
        if len(failed) > TOLERATED_SHARE * len(wanted):
            raise EngineError(
                f"{manifest.backend} computes {len(failed)} of the {len(wanted)} int8 layers in float "
                f"({', '.join(failed[:3])}, ..), so this would be int8 in name only; use --precision fp32"
            )
        notes = self.report.notes
        if self.report.precision == "fp16" and set(found.values()) == {"fp32"}:
            notes = (
                *notes,
                f"{manifest.backend} computes fp16 in fp32 on this {manifest.device}: not faster",
            )
        report = dataclasses.replace(self.report, built=found or None, notes=notes)
        return dataclasses.replace(self, report=report)

    def evaluated(self, infer: Run, backend: str) -> PrecisionReport | None:
        """Say in the report what the finished engine itself loses on the images that it was chosen by.

        Raises:
            LosesMoreError: if int8 loses more than is allowed.
        """
        report = self.report
        if report is None or self.evaluator is None:
            return report
        lost = self.evaluator.points_lost(infer)
        if report.precision == "int8" and lost > self.max_drop:
            raise LosesMoreError(
                f"the finished int8 engine of {backend} loses {lost:.2f} points, {self.max_drop:g} are "
                f"allowed (its graph lost {report.drop_points:.2f} in {report.backend}); use --precision "
                "fp16, another --backend, or allow more with --max-drop",
                lost - report.drop_points,
            )
        return dataclasses.replace(report, engine_drop_points=lost)


def in_precision(
    model: PortableModel,
    request: Request,
    calibration: Calibration | Int8Choice | None,
    *,
    open_engine: OpenEngine = open_backend,
    images: NDArray[Any] | None = None,
    on_step: Callable[[str], None] = lambda step: None,
) -> Converted:
    """Give the model in the precision that is asked for.

    Args:
        calibration: must be there for int8; generated pictures stand in for fp16.
        open_engine: opens candidates of int8.
        images: (M, H, W, C) to evaluate an engine on whose choice was made before.
    """
    if request.precision == "fp32":
        return Converted(model)
    if request.precision == "fp16":
        return _in_fp16(model, calibration, images, on_step)
    assert calibration is not None  # `build_engine` refuses int8 without
    target = int8_target(model.spec, request, open_engine)
    if isinstance(calibration, Int8Choice) and calibration.scheme != target.scheme:
        raise EngineError(
            f"the int8 ranges were chosen for another backend than {request.backend}; choose them here, with "
            f"--calibration, or pack for --backend {request.backend}"
        )
    return _in_int8(model, calibration, target, images, on_step)


def _in_int8(
    model: PortableModel,
    calibration: Calibration | Int8Choice,
    target: Target,
    images: NDArray[Any] | None,
    on_step: Callable[[str], None],
) -> Converted:
    """Choose what computes in int8, unless that was done before, and convert the model."""
    evaluator: Evaluator | None
    if isinstance(calibration, Calibration):
        evaluator = evaluator_of(model, calibration)
        choice = choose_int8(model, calibration, evaluator, target, on_step)
    else:
        evaluator = None if images is None else Evaluator(open_run(model.to_bytes()), model.spec, images)
        choice = calibration
    narrow = target.saturates and not choice.wide
    result = quantised(model, choice, narrow=narrow)
    notes = (*choice.report.notes, WIDE) if target.saturates and choice.wide else choice.report.notes
    report = dataclasses.replace(choice.report, narrow=NARROW if narrow else None, notes=notes)
    made = PortableModel.of(result.model, model.name)
    return Converted(made, report, model.view.layers(), evaluator, choice.max_drop)


def _in_fp16(
    model: PortableModel,
    calibration: Calibration | Int8Choice | None,
    images: NDArray[Any] | None,
    on_step: Callable[[str], None],
) -> Converted:
    """Convert the model to float16 where that is safe, as measured on images or generated pictures."""
    spec = model.spec
    if not isinstance(calibration, Calibration):
        generated = input_images(FRESH_SEEDS, spec.input, spec.graph) if images is None else images
        calibration = Calibration(generated)
    run = remembering(open_run(model.to_bytes()), calibration.images[:0] if images is None else images)
    evaluator = Evaluator(run, spec, calibration.images, calibration.labels)
    further = None if images is None else Further.computed(run, images, spec.input.batch)
    del run  # a session with all weights
    result = to_fp16(model, calibration, evaluator, on_step)
    made = PortableModel.of(result.model, model.name)
    return Converted(made, result.report, model.view.layers(), evaluator, calibration.max_drop, further)


def int8_target(spec: ModelSpec, request: Request, open_engine: OpenEngine = open_backend) -> Target:
    """Find out what the int8 of a request is, and how its candidates are tried.

    Raises:
        EngineError: if the device asked for has no int8.
    """
    scheme = request.int8_scheme
    if not can_try(request):
        return Target(scheme)
    return Target(
        scheme,
        partial(trial, spec=spec, request=request, open_engine=open_engine),
        request.backend,
        saturates(request, open_engine),
    )


def evaluator_of(model: PortableModel, calibration: Calibration) -> Evaluator:
    """Prepare to evaluate int8 candidates on as many of the images as there is time for."""
    budget_s = EVALUATION_BUDGET_S / MOST_GROUPS
    run = open_run(model.to_bytes())
    return Evaluator(run, model.spec, calibration.images, calibration.labels, budget_s=budget_s)
