"""Verify a finished engine: is it what was built, and does it still compute the same?"""

from __future__ import annotations

import dataclasses
from contextlib import closing
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from edgeseg.engines.backend import Backend, open_backend, own_way_of
from edgeseg.engines.building.conversion import FRESH_SEEDS
from edgeseg.engines.building.probed import ProbedEngine
from edgeseg.engines.job import OpenEngine
from edgeseg.engines.request import Request
from edgeseg.errors import EngineError, ExportError, SpecError, UsageError
from edgeseg.graph.golden.golden import GOLDEN_NAME, Golden
from edgeseg.graph.portable import PortableModel
from edgeseg.graph.precision.evaluator import Evaluator
from edgeseg.graph.running import check_frames, open_run
from edgeseg.manifest import Manifest, read_file, read_manifest
from edgeseg.proof.report import ParityReport
from edgeseg.proof.tolerances import TOLERANCES
from edgeseg.proof.verify import Further, verify
from edgeseg.scenes.inputs import input_images

OWN_NOTE = (
    "detections prove little of this engine, so its intermediate values were proven when it was built, and "
    "it is compared with what it found then"
)


def verify_engine(
    folder: Path,
    *,
    open_engine: OpenEngine = open_backend,
    reference: Path | PortableModel | None = None,
    images: NDArray[Any] | None = None,
) -> ParityReport:
    """Prove an engine again: its files are those that were built, and it gives the golden outputs.

    Args:
        open_engine: opens an engine; as the device will by default.
        reference: the portable model that it was built from, or its path, to be run on `images` beside the
            engine.
        images: (M, H, W, C) of the model's size; generated ones by default.

    Raises:
        EngineError: if there is no engine, or it was changed or does not open.
        ShapeError: if images are of another shape or type.
        UsageError: if `reference` is not the model that the engine was built from.
    """
    manifest = read_manifest(folder, check_files=True)
    model = None if reference is None else _reference(reference, folder, manifest)
    check_frames(images, manifest.spec.input)
    golden = _golden(folder, manifest)
    with closing(open_engine(folder, manifest)) as engine:
        if model is None:
            tolerances = TOLERANCES[manifest.precision]
            find = own_way_of(engine)
            report = verify(engine.infer, manifest.spec, golden, tolerances=tolerances, find=find)
        else:
            if images is None:
                images = input_images(FRESH_SEEDS, manifest.spec.input, manifest.spec.graph)
            report = _verify_beside(model, engine, manifest, golden, images=images, open_engine=open_engine)
    return dataclasses.replace(report, notes=(*report.notes, OWN_NOTE)) if golden.own else report


def _reference(path: Path | PortableModel, folder: Path, manifest: Manifest) -> PortableModel:
    """Read the portable model, and refuse another than the engine was built from."""
    try:
        model = PortableModel.read(path)
    except ExportError as error:
        raise UsageError(str(error)) from error
    if model.sha256 != manifest.model_sha256:
        raise UsageError(
            f"{folder} was not built from {model.name} (its sha256 differs); give the model that it was "
            "built from, or build the engine again"
        )
    return model


def _golden(folder: Path, manifest: Manifest) -> Golden:
    try:
        return Golden.from_json(read_file(folder, manifest, GOLDEN_NAME).decode())
    except (UnicodeDecodeError, SpecError) as error:
        raise EngineError(f"{folder} has no golden outputs ({error}); build the engine again") from error


def _verify_beside(
    model: PortableModel,
    engine: Backend,
    manifest: Manifest,
    golden: Golden,
    *,
    images: NDArray[Any],
    open_engine: OpenEngine,
) -> ParityReport:
    """Compare an engine with its golden outputs, and with what its portable model computes of images."""
    spec, tolerances = manifest.spec, TOLERANCES[manifest.precision]
    run, find = engine.infer, own_way_of(engine)
    reference = open_run(model.to_bytes())
    if manifest.precision == "int8":  # far from fp32 or not, as its user allowed; its kernels are proven
        report = verify(run, spec, golden, tolerances=tolerances, find=find)
        lost = Evaluator(reference, spec, images).points_lost(run)
        note = f"int8 is {lost:.2f} points from fp32 on {len(images)} images, which does not count here"
        return dataclasses.replace(report, notes=(*report.notes, note))
    further = Further.computed(reference, images, spec.input.batch)
    del reference  # a session with all weights
    request = Request(manifest.backend, device=manifest.device)
    probed = ProbedEngine(model, model, manifest, request, open_engine, golden, images, tolerances)
    return verify(
        run,
        spec,
        golden,
        further=further,
        tolerances=tolerances,
        prove=probed.prove if manifest.precision == "fp32" else None,
        find=find,
    )
