"""Build an engine from a portable model: a folder that is proven to compute the same, or is not made."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeseg.engines.backend import open_backend, own_way_of
from edgeseg.engines.building.auto import Made, make
from edgeseg.engines.building.builders import fill_engine, safer_options_of
from edgeseg.engines.building.comparison import beside_float
from edgeseg.engines.building.conversion import Converted, in_precision
from edgeseg.engines.building.margin import ChosenBy, within_bound
from edgeseg.engines.building.proving import Comparison, compare_with
from edgeseg.engines.building.trial import can_try
from edgeseg.engines.job import BuildJob, OpenEngine
from edgeseg.engines.preflight import refuse_unfit
from edgeseg.engines.race import Contender, race_to_json
from edgeseg.engines.registry import AUTO
from edgeseg.engines.request import Request
from edgeseg.engines.timings import Timings
from edgeseg.engines.tuning import Measured
from edgeseg.errors import NoDeviceError, ParityError, UsageError
from edgeseg.graph.golden.golden import GOLDEN_NAME, Golden
from edgeseg.graph.portable import PortableModel
from edgeseg.graph.precision.convert import Calibration, Say
from edgeseg.graph.precision.report import PrecisionReport
from edgeseg.graph.running import check_frames, remembering
from edgeseg.manifest import PARITY_NAME, PRECISION_NAME, RACE_NAME, Manifest, engine_folder, seal
from edgeseg.proof.intermediates import MAX_INTERMEDIATE_ERROR
from edgeseg.proof.report import ParityReport
from edgeseg.proof.tolerances import TOLERANCES, Tolerances
from edgeseg.spec import ModelSpec

FOR_THIS_CPU = Request()
NO_CALIBRATION = "int8 needs images to measure ranges on; give --calibration, a folder of typical ones"
PROOF_IMAGES = 8  # of the calibration's: enough to prove parity


@dataclass(frozen=True)
class Built:
    """An engine that was made: what it is, what proves it, and what its options were chosen from.

    Attributes:
        precision: what computes in which precision, and why; None for fp32.
        beside_float: times of an int8 engine and of one in fp32, fastest first; empty off the processor.
        race: what became of each backend that `auto` compared, fastest first; empty where one was named.
    """

    manifest: Manifest
    parity: ParityReport
    measured: tuple[Measured, ...]
    precision: PrecisionReport | None = None
    beside_float: tuple[Measured, ...] = ()
    race: tuple[Contender, ...] = ()


def build_engine(
    model: Path | PortableModel,
    folder: Path,
    *,
    open_engine: OpenEngine = open_backend,
    request: Request = FOR_THIS_CPU,
    tolerances: Tolerances | None = None,
    images: NDArray[Any] | None = None,
    calibration: ChosenBy = None,
    measure_again: bool = False,
    passes: bool = True,
    on_step: Say = lambda step: None,
) -> Built:
    """Build an engine for this machine.

    Args:
        model: a portable model, or its path.
        folder: where the engine goes; written as a whole, after the proof.
        open_engine: opens an engine; as the device will by default.
        request: backend, precision, device and options.
        tolerances: how far the engine may be from PyTorch; what fits the precision by default.
        images: (M, H, W, C) of the model's size; compared and measured on, besides generated ones.
            By default the first ones of the calibration.
        calibration: what int8 is chosen by, or what was chosen before. fp16 takes its images too, for ranges;
            generated ones by default.
        measure_again: measure anew what was measured on this machine before.
        passes: let an fp32 engine's graph be changed where that makes it faster here.
        on_step: told what happens next, for a progress display.

    Raises:
        ExportError: if `model` is no portable model.
        ShapeError: if images are of another shape or type.
        ParityError: if `model` was changed since its export, if the engine does not compute what PyTorch
            computed, or if there was nothing to compare because nothing is found in the images.
        EngineError: if the engine cannot be built, opened or written, or would be int8 in name only.
        UsageError: if int8 is asked for without a calibration.
    """
    if request.precision == "int8" and calibration is None:
        raise UsageError(NO_CALIBRATION)
    if images is None and isinstance(calibration, Calibration):
        images = calibration.images[:PROOF_IMAGES]
    source = PortableModel.read(model)
    check_frames(images, source.spec.input)
    if isinstance(calibration, Calibration):
        check_frames(calibration.images, source.spec.input)
    limits = tolerances or TOLERANCES[request.precision]
    timings = Timings(again=measure_again)
    order = _Order(source, source.spec, request, open_engine, images, limits, timings, passes, on_step)
    _refuse_unfit(order)
    return within_bound(calibration, partial(_built, order, folder), on_step)


@dataclass(frozen=True)
class _Order:
    """What is built, as `build_engine` was asked."""

    source: PortableModel
    spec: ModelSpec
    request: Request
    open_engine: OpenEngine
    images: NDArray[Any] | None
    tolerances: Tolerances
    timings: Timings
    passes: bool
    on_step: Say

    def job(self, staging: Path, comparison: Comparison) -> BuildJob:
        """Say what backends make an engine from; they measure on the first frames that tell."""
        source, converted, frames = self.source, comparison.converted, comparison.telling
        image = np.resize(frames, (self.spec.input.batch, *frames.shape[1:]))
        return BuildJob(
            staging,
            converted,
            source.sha256,
            self.spec,
            self.request,
            image,
            self.open_engine,
            self.timings,
            seeds=tuple(source.golden.seeds),
            passes=None if self.passes else {},
            on_step=self.on_step,
        )


@dataclass(frozen=True)
class _Examined:
    """An engine that was opened: what ties and proves it, and what its precision costs."""

    manifest: Manifest
    parity: ParityReport
    golden: Golden
    precision: PrecisionReport | None
    beside_float: Sequence[Measured] = ()


def _built(order: _Order, folder: Path, chosen_by: ChosenBy) -> Built:
    """Make one engine, by one choice of int8: convert, build, open, measure, prove, write."""
    source, request, on_step = order.source, order.request, order.on_step
    with engine_folder(folder) as staging:
        converted = in_precision(
            source, request, chosen_by, open_engine=order.open_engine, images=order.images, on_step=on_step
        )
        source.release()
        converted.model.release()
        comparison = compare_with(source, converted, request, order.images, order.tolerances)
        on_step("building, and measuring options")
        race = make(order.job(staging, comparison), fill_engine)
        examined, race = race.first_that(partial(_proven, converted, comparison, on_step))
        race.put(staging)
        texts = {RACE_NAME: race_to_json(race.contenders)} if request.backend == AUTO else {}
        manifest = seal(staging, _noted(staging, examined, texts))
    return Built(
        manifest,
        examined.parity,
        tuple(race.measured),
        examined.precision,
        tuple(examined.beside_float),
        race.contenders if request.backend == AUTO else (),
    )


def _proven(converted: Converted, comparison: Comparison, on_step: Say, made: Made) -> _Examined:
    """Open an engine and prove it; where its graph was changed and it does not pass, make it without that.

    Raises:
        EngineError, ParityError: if it does not pass.
    """
    try:
        return _passed(converted, comparison, on_step, made)
    except ParityError as error:
        if not made.manifest.passes:
            raise
        on_step("building again, with the graph as exported")
        job = dataclasses.replace(made.job, passes={})
        examined = _passed(converted, comparison, on_step, Made(job, fill_engine(job)[0]))
        note = f"the graph was left as exported: with {', '.join(made.manifest.passes)}, {error}"
        parity = dataclasses.replace(examined.parity, notes=(*examined.parity.notes, note))
        return dataclasses.replace(examined, parity=parity)


def _passed(converted: Converted, comparison: Comparison, on_step: Say, made: Made) -> _Examined:
    on_step("comparing with PyTorch")
    built = converted.built(made.job.staging, made.manifest)
    examined = _examined(made.job, built, comparison, made.manifest, on_step)
    for options in safer_options_of(made.manifest.backend):
        if not examined.parity.passed and not set(options) & set(comparison.request.options):
            examined = _more_safely(made.job, built, comparison, examined, options, on_step=on_step)
    name = comparison.source.name
    examined.parity.raise_if_failed(f"the engine of {name}")
    _refuse_empty_proof(examined.parity, name)
    return examined


def _examined(
    job: BuildJob, converted: Converted, comparison: Comparison, manifest: Manifest, on_step: Say
) -> _Examined:
    """Open an engine, prove it and measure what its precision costs; without its device, prove its graph."""
    try:
        engine = job.open_engine(job.staging, manifest)
    except NoDeviceError as missing:
        parity = comparison.prove_graph(manifest, missing)
        manifest = dataclasses.replace(manifest, proven=False)
        return _Examined(manifest, parity, comparison.golden, converted.report)
    manifest = dataclasses.replace(manifest, built_on=engine.built_on)
    with closing(engine):
        run = remembering(engine.infer, comparison.frames)
        parity = comparison.prove(run, manifest, job.open_engine, own_way_of(engine))
        golden = comparison.golden_for(parity, run)
        precision = converted.evaluated(run, manifest.backend)
        beside: Sequence[Measured] = ()
        if job.request.precision == "int8" and can_try(job.request):
            on_step("comparing with fp32 for speed")
            beside = beside_float(job, comparison.source, manifest, engine)
    return _Examined(manifest, parity, golden, precision, beside)


def _more_safely(
    job: BuildJob,
    converted: Converted,
    comparison: Comparison,
    failed: _Examined,
    options: Mapping[str, Any],
    *,
    on_step: Say,
) -> _Examined:
    """Examine an engine whose proof failed once more, with options by which it rounds less, and say so."""
    said = ", ".join(f"{name} {value}" for name, value in options.items())
    on_step(f"comparing with PyTorch again, with {said}")
    request = dataclasses.replace(job.request, options={**job.request.options, **options})
    comparison = dataclasses.replace(comparison, request=request)
    manifest = dataclasses.replace(
        failed.manifest, options={**failed.manifest.options, **options}, built_on={}
    )
    examined = _examined(job, converted, comparison, manifest, on_step)
    note = f"it has {said}, for it failed as it was fastest: {'; '.join(failed.parity.failures)}"
    parity = dataclasses.replace(examined.parity, notes=(*examined.parity.notes, note))
    return dataclasses.replace(examined, parity=parity)


def _refuse_unfit(order: _Order) -> None:
    """Refuse a portable model that was changed, or that the backend cannot build."""
    model, backend = order.source, order.request.backend
    if model.graph_sha256 != model.golden.graph_sha256:
        raise ParityError(f"{model.name} was changed since it was exported and proven; export it again")
    if backend != AUTO:  # which compares those that take every graph
        refuse_unfit(model.model, backend)


def _noted(staging: Path, examined: _Examined, texts: dict[str, str]) -> Manifest:
    """Write reports beside an engine's own files, `texts` among them, and name them in its manifest."""
    texts = {
        **texts,
        PARITY_NAME: json.dumps(examined.parity.to_json_value(), indent=2, sort_keys=True) + "\n",
        GOLDEN_NAME: examined.golden.to_json() + "\n",
    }
    if examined.precision is not None:
        texts[PRECISION_NAME] = examined.precision.to_json()
    for name, text in texts.items():
        (staging / name).write_text(text)
    manifest = examined.manifest
    return dataclasses.replace(manifest, files={**manifest.files, **dict.fromkeys(texts, "")})


def _refuse_empty_proof(report: ParityReport, name: str) -> None:
    if (
        report.task == "instance"
        and not report.figures["matched"]
        and MAX_INTERMEDIATE_ERROR not in report.figures
    ):
        raise ParityError(
            f"{name} finds nothing in the generated pictures, so the engine cannot be proven by them; give "
            "--images, a folder of pictures in which it finds something"
        )
