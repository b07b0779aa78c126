"""Turn a portable model into an engine folder that is proven to compute the same, or is not made."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgeseg.bundle import (
    PARITY_NAME,
    PRECISION_NAME,
    Manifest,
    read_file,
    read_manifest,
    write_engine,
)
from edgeseg.engines.builders import fill_engine_of
from edgeseg.engines.job import BuildJob, OpenEngine, Request
from edgeseg.errors import EngineError, ExportError, NoDeviceError, ParityError, SpecError, UsageError
from edgeseg.export.engines.comparison import beside_float
from edgeseg.export.engines.lowered import FRESH_SEEDS, in_precision
from edgeseg.export.engines.margin import ChosenBy, within_bound
from edgeseg.export.engines.staged import StagedEngine
from edgeseg.export.engines.trial import can_try
from edgeseg.export.engines.tuning import Measured
from edgeseg.export.golden import Golden, sample_all
from edgeseg.export.parity import TOLERANCES, ParityReport, Run, Tolerances, run_all
from edgeseg.export.pictures import pictures
from edgeseg.export.preflight import refuse_unfit
from edgeseg.export.stage_proof import STAGES_PROVEN
from edgeseg.export.verify import verify
from edgeseg.graph.portable import PortableModel
from edgeseg.graph.precision.convert import Calibration
from edgeseg.graph.precision.judge import Judge
from edgeseg.graph.precision.report import PrecisionReport
from edgeseg.graph.running import open_run
from edgeseg.spec import ModelSpec

GOLDEN_NAME = "golden.json"
"""In an engine: what PyTorch computed, so that the engine can be proven without the portable model."""

FOR_THIS_CPU = Request()
OWN_NOTE = (
    "detections prove little of this engine, so its stages were proven when it was built, and it is compared "
    "with what it found then"
)
STAGES_IN = ("fp32", "fp16")  # int8 moves numbers as far as a wrong graph does
NO_CALIBRATION = "int8 needs images to measure ranges on; give --calibration, a folder of typical ones"
PROOF_IMAGES = 8  # of the calibration's: enough to prove parity


@dataclass(frozen=True)
class Built:
    """An engine that was made: what it is, what proves it, and what its options were chosen from.

    Attributes:
        precision: what computes in which precision, and why; None for fp32.
        beside_float: times of an int8 engine and of one in fp32, fastest first; empty off the processor.
    """

    manifest: Manifest
    parity: ParityReport
    measured: tuple[Measured, ...]
    precision: PrecisionReport | None = None
    beside_float: tuple[Measured, ...] = ()


def build(
    model: Path | PortableModel,
    folder: Path,
    *,
    open_engine: OpenEngine,
    request: Request = FOR_THIS_CPU,
    tolerances: Tolerances | None = None,
    images: NDArray[np.uint8] | None = None,
    calibration: ChosenBy = None,
    on_step: Callable[[str], None] = lambda step: None,
) -> Built:
    """Build an engine for this machine.

    Args:
        model: a portable model, or its path.
        folder: where the engine goes; written as a whole, after the proof.
        open_engine: opens an engine, as the device will: the runtime's `open_backend`.
        request: backend, precision, device and options.
        tolerances: how far the engine may be from PyTorch; what fits the precision by default.
        images: (M, H, W, 3) uint8 BGR of the model's size; compared and measured on, besides generated ones.
            By default the first ones of the calibration.
        calibration: what int8 is chosen by, or what was chosen before. fp16 takes its images too, for ranges;
            generated ones by default.
        on_step: told what happens next, for a progress display.

    Raises:
        ExportError: if `model` is no portable model.
        ParityError: if `model` was changed since its export, if the engine does not compute what PyTorch
            computed, or if there was nothing to compare because nothing is found in the images.
        EngineError: if the engine cannot be built, opened or written, or would be int8 in name only.
        UsageError: if int8 is asked for without a calibration.
    """
    if request.precision == "int8" and calibration is None:
        raise UsageError(NO_CALIBRATION)
    source = PortableModel.read(model)
    spec, golden = _unchanged(source, request)
    if images is None and isinstance(calibration, Calibration):
        images = calibration.images[:PROOF_IMAGES]
    generated = pictures(golden.seeds, (spec.input.height, spec.input.width))
    frames = generated if images is None else images
    batch = np.resize(frames, (spec.input.batch, *frames.shape[1:]))  # the first ones, in turn
    limits = tolerances or TOLERANCES[request.precision]
    findings: list[Built] = []

    def fill(staging: Path, chosen_by: ChosenBy) -> Manifest:
        lowered = in_precision(
            source, request, chosen_by, open_engine=open_engine, images=images, on_step=on_step
        )
        on_step("building, and measuring options")
        job = BuildJob(staging, lowered.model, source.sha256, spec, request, batch, open_engine)
        manifest, measured = fill_engine_of(request.backend)(job)
        precision = lowered.built(staging, manifest)
        beside: list[Measured] = []
        on_step("comparing with PyTorch")
        comparison = _Comparison(source, lowered.model, spec, request, golden, images, limits)
        kept, _ = comparison.proof
        try:
            engine = open_engine(staging, manifest)
        except NoDeviceError as error:
            report = comparison.of(open_run(lowered.model.to_bytes()), manifest, None)
            manifest = dataclasses.replace(manifest, proven=False)
            note = f"{error}; the graph was proven in ONNX Runtime, the engine has not run yet"
            report = dataclasses.replace(report, notes=(*report.notes, note))
        else:
            manifest = dataclasses.replace(manifest, built_on=engine.built_on)
            with contextlib.closing(engine):
                report = comparison.of(engine.infer, manifest, open_engine)
                if STAGES_PROVEN in report.figures:
                    found = run_all(engine.infer, generated, spec.input.batch)
                    kept = golden.of_engine(sample_all(found))
                if precision is not None:
                    precision = lowered.judged(precision, engine.infer, manifest.backend)
                if request.precision == "int8" and can_try(request):
                    on_step("comparing with fp32 for speed")
                    beside = beside_float(job, source, manifest, engine)
        report.raise_if_failed(f"the engine of {source.name}")
        _refuse_empty_proof(report, source.name)
        findings.append(Built(manifest, report, tuple(measured), precision, tuple(beside)))
        notes = {
            PARITY_NAME: json.dumps(report.to_plain(), indent=2, sort_keys=True),
            GOLDEN_NAME: kept.to_json(),
        }
        return _noted(staging, manifest, notes, precision)

    manifest = within_bound(
        calibration, lambda by: write_engine(folder, partial(fill, chosen_by=by)), on_step
    )
    (built,) = findings
    return dataclasses.replace(built, manifest=manifest)


@dataclass(frozen=True)
class _Comparison:
    """What an engine under construction is compared with, and what it takes to build it again with stages."""

    model: PortableModel
    lowered: PortableModel
    spec: ModelSpec
    request: Request
    golden: Golden
    images: NDArray[np.uint8] | None
    limits: Tolerances

    @cached_property
    def proof(self) -> tuple[Golden, Run | None]:
        """Choose what an engine must compute: on the export's pictures, and on images if there are any.

        That of fp32 and fp16 is what PyTorch computes. That of int8 is what its graph means: a wrong kernel
        shows there, while what int8 costs the task is the user's to allow, and is judged by itself.
        """
        if self.request.precision != "int8":
            return self.golden, None if self.images is None else open_run(self.model.to_bytes())
        exact = open_run(self.lowered.to_bytes(), as_written=True)
        frames = pictures(self.golden.seeds, (self.spec.input.height, self.spec.input.width))
        outputs = sample_all(run_all(exact, frames, self.spec.input.batch))
        return dataclasses.replace(self.golden, outputs=outputs), exact

    def of(self, run: Run, manifest: Manifest, open_engine: OpenEngine | None) -> ParityReport:
        """Judge what `run` computes: an engine, or its graph where `open_engine` is None."""
        golden, reference = self.proof
        frames = pictures(golden.seeds, (self.spec.input.height, self.spec.input.width))
        frames = frames if self.images is None else np.concatenate([frames, self.images])
        stages = StagedEngine(
            self.model, self.lowered, manifest, self.request, open_engine, golden, frames, self.limits
        )
        return verify(
            run,
            self.spec,
            golden,
            reference=reference,
            images=self.images,
            tolerances=self.limits,
            prove=stages.prove if self.request.precision in STAGES_IN else None,
        )


def verify_engine(
    folder: Path,
    *,
    open_engine: OpenEngine,
    reference: Path | PortableModel | None = None,
    images: NDArray[np.uint8] | None = None,
) -> ParityReport:
    """Prove an engine again: its files are those that were built, and it gives the golden outputs.

    Args:
        open_engine: as for `build`.
        reference: the portable model that it was built from, to be run on `images` beside the engine.
        images: (M, H, W, 3) uint8 BGR of the model's size; generated ones by default.

    Raises:
        EngineError: if there is no engine, or it was changed or does not open.
        UsageError: if `reference` is not the model that the engine was built from.
    """
    manifest = read_manifest(folder, check_files=True)
    model = None if reference is None else _reference(reference)
    if model is not None and model.sha256 != manifest.model_sha256:
        raise UsageError(
            f"{folder} was not built from {model.name} (its sha256 differs); give the model that it was "
            "built from, or build the engine again"
        )
    try:
        golden = Golden.from_json(read_file(folder, manifest, GOLDEN_NAME).decode())
    except (UnicodeDecodeError, SpecError) as error:
        raise EngineError(f"{folder} has no golden outputs ({error}); build the engine again") from error
    engine = open_engine(folder, manifest)
    try:
        if model is None:
            limits = TOLERANCES[manifest.precision]
            report = verify(engine.infer, manifest.spec, golden, tolerances=limits)
        else:
            if images is None:
                images = pictures(FRESH_SEEDS, (manifest.spec.input.height, manifest.spec.input.width))
            report = _verify_beside((engine.infer, manifest), golden, model, images, open_engine)
        return dataclasses.replace(report, notes=(*report.notes, OWN_NOTE)) if golden.own else report
    finally:
        engine.close()


def _verify_beside(
    engine: tuple[Run, Manifest],
    golden: Golden,
    model: PortableModel,
    images: NDArray[np.uint8],
    open_engine: OpenEngine,
) -> ParityReport:
    """Judge an engine by its golden outputs, and by what its portable model computes of images."""
    run, manifest = engine
    spec, tolerances = manifest.spec, TOLERANCES[manifest.precision]
    reference = open_run(model.to_bytes())
    if manifest.precision == "int8":  # far from fp32 or not, as its user allowed; its kernels are proven
        report = verify(run, spec, golden, tolerances=tolerances)
        lost = Judge(reference, spec, images).points_lost(run)
        note = f"int8 is {lost:.2f} points from fp32 on {len(images)} images, which is not judged here"
        return dataclasses.replace(report, notes=(*report.notes, note))
    request = Request(manifest.backend, device=manifest.device)
    stages = StagedEngine(model, model, manifest, request, open_engine, golden, images, tolerances)
    return verify(
        run,
        spec,
        golden,
        reference=reference,
        images=images,
        tolerances=tolerances,
        prove=stages.prove if manifest.precision == "fp32" else None,
    )


def _unchanged(model: PortableModel, request: Request) -> tuple[ModelSpec, Golden]:
    """Read what a portable model is and computes, and refuse it if it was changed or its backend cannot."""
    spec, golden = model.spec, model.golden
    if model.graph_sha256 != golden.graph_sha256:
        raise ParityError(f"{model.name} was changed since it was exported and proven; export it again")
    if request.backend != "auto":  # which compares those that take every graph
        refuse_unfit(model.proto, request.backend)
    return spec, golden


def _noted(
    staging: Path, manifest: Manifest, notes: Mapping[str, str], precision: PrecisionReport | None
) -> Manifest:
    """Write files beside the engine's own, and name them among them."""
    texts = {name: text + "\n" for name, text in notes.items()}
    if precision is not None:
        texts[PRECISION_NAME] = precision.to_json()
    for name, text in texts.items():
        (staging / name).write_text(text)
    return dataclasses.replace(manifest, files={**manifest.files, **dict.fromkeys(texts, "")})


def _refuse_empty_proof(report: ParityReport, name: str) -> None:
    if report.task == "instance" and not report.figures["matched"] and STAGES_PROVEN not in report.figures:
        raise ParityError(
            f"{name} finds nothing in the generated pictures, so the engine cannot be proven by them; give "
            "--images, a folder of pictures in which it finds something"
        )


def _reference(path: Path | PortableModel) -> PortableModel:
    try:
        return PortableModel.read(path)
    except ExportError as error:
        raise UsageError(str(error)) from error
