"""Turn a portable model into a model repository for Triton, proven by its own `model.py`, or into nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeseg.engines.building.build import NO_CALIBRATION, PROOF_IMAGES
from edgeseg.engines.building.conversion import Converted, in_precision
from edgeseg.engines.building.margin import ChosenBy, within_bound
from edgeseg.engines.building.proving import Comparison, compare_with
from edgeseg.engines.facts import CPU
from edgeseg.engines.preflight import refuse_unfit
from edgeseg.engines.registry import DEFAULT, versions_of
from edgeseg.engines.request import Request
from edgeseg.errors import EngineError, ParityError, UsageError
from edgeseg.files import is_passing, staged_folder
from edgeseg.frames.results import FrameResult, InstanceResult, MaskCrop, Result, SemanticResult
from edgeseg.graph.portable import PortableModel
from edgeseg.graph.precision.convert import Calibration, Say
from edgeseg.graph.precision.report import PrecisionReport
from edgeseg.graph.running import check_frames, open_run
from edgeseg.manifest import PARITY_NAME, Manifest
from edgeseg.proof.report import ParityReport
from edgeseg.proof.tolerances import TOLERANCES
from edgeseg.reading import read_text
from edgeseg.serving.names import check_name
from edgeseg.serving.tensors import FRAME, tensors_out
from edgeseg.serving.triton.config import front_config, is_signed, network_config, refuse_device, signed
from edgeseg.serving.triton.front import MODULE_NAME, SPEC_NAME, VERSION
from edgeseg.serving.triton.stand_in import StandIn
from edgeseg.spec import ModelSpec

CONFIG_NAME = "config.pbtxt"
MODEL_NAME = "model.onnx"  # as Triton's ONNX Runtime backend looks for it
NETWORK_SUFFIX = "_network"  # of the network's model; the other is what clients call
WARMUPS = 2  # golden frames that the network computes before it is ready
ON_ONNXRUNTIME = Request()


@dataclass(frozen=True)
class Repository:
    """A repository that was written: the model that clients call, and what proves it.

    Attributes:
        precision: what computes in which precision, and why; None for fp32.
    """

    name: str
    parity: ParityReport
    precision: PrecisionReport | None = None


def build_repository(
    model: Path | PortableModel,
    folder: Path,
    *,
    name: str,
    request: Request = ON_ONNXRUNTIME,
    images: NDArray[Any] | None = None,
    calibration: ChosenBy = None,
    on_step: Say = lambda step: None,
) -> Repository:
    """Write a model repository for Triton.

    It holds two models: the network, as ONNX for Triton's ONNX Runtime backend, and one of its Python backend
    around it, which takes frames or pictures of any size and gives results in their pixels.

    Args:
        folder: of the repository; one that `name` was written into before is replaced.
        name: of the model that clients call.
        request: precision, device and threads of ONNX Runtime; without a device the server decides.
        images: (M, H, W, C) of the model's size to prove it on, besides generated ones.
        calibration: as for `build_engine`.
        on_step: told what happens next.

    Raises:
        ExportError: if `model` is no portable model.
        ShapeError: if images are of another shape or type.
        ParityError: if `model` was changed since its export, or the repository does not compute the same.
        EngineError: if the repository cannot be written, or its place holds something else.
        UsageError: if int8 is asked for without a calibration, or of another backend, or for a device that
            Triton's ONNX Runtime lacks; or if no client could call the name.
    """
    check_name(name)
    if request.backend != DEFAULT:
        raise UsageError(f"a repository's network runs in {DEFAULT}, not in {request.backend}")
    if request.precision == "int8" and calibration is None:
        raise UsageError(NO_CALIBRATION)
    refuse_device(request.device)
    source = PortableModel.read(model)
    if images is None and isinstance(calibration, Calibration):
        images = calibration.images[:PROOF_IMAGES]
    check_frames(images, source.spec.input)
    if source.graph_sha256 != source.golden.graph_sha256:
        raise ParityError(f"{source.name} was changed since it was exported and proven; export it again")
    refuse_unfit(source.model, request.backend)
    make = partial(_built, source, folder, name=name, request=request, images=images, on_step=on_step)
    return within_bound(calibration, lambda chosen_by: make(chosen_by=chosen_by), on_step)


def _built(
    source: PortableModel,
    folder: Path,
    *,
    name: str,
    request: Request,
    images: NDArray[Any] | None,
    on_step: Say,
    chosen_by: ChosenBy,
) -> Repository:
    converted = in_precision(source, request, chosen_by, images=images, on_step=on_step)
    tolerances = TOLERANCES[request.precision]
    comparison = compare_with(source, converted, request, images, tolerances)
    with staged_folder(folder, EngineError) as staging:
        _refuse_to_replace(folder, name)
        _write(staging, name, request, comparison)
        on_step("comparing with PyTorch")
        report, precision = _proven(staging, name, request, converted, comparison)
        report.raise_if_failed(f"the repository of {source.name}")
        text = json.dumps(report.to_json_value(), indent=2, sort_keys=True) + "\n"
        (staging / name / PARITY_NAME).write_text(text)
    return Repository(name, report, precision)


def _write(folder: Path, name: str, request: Request, comparison: Comparison) -> None:
    """Write both models."""
    spec, network = comparison.source.spec, name + NETWORK_SUFFIX
    frames = comparison.generated[:WARMUPS]
    warmups = {f"golden-{index}": frame for index, frame in enumerate(frames)}
    front = folder / name
    inner = folder / network
    for path in (front / VERSION, inner / VERSION, inner / "warmup"):
        path.mkdir(parents=True)
    (front / CONFIG_NAME).write_text(signed(front_config(name, network, spec)))
    (front / VERSION / SPEC_NAME).write_text(spec.to_json() + "\n")
    own = files("edgeseg.serving.triton").joinpath(f"assets/{MODULE_NAME}")
    (front / VERSION / MODULE_NAME).write_bytes(own.read_bytes())
    config = network_config(
        network,
        spec,
        precision=request.precision,
        device=request.device,
        threads=request.threads,
        warmups=warmups,
    )
    (inner / CONFIG_NAME).write_text(signed(config))
    (inner / VERSION / MODEL_NAME).write_bytes(comparison.converted.to_bytes())
    for file, frame in warmups.items():
        (inner / "warmup" / file).write_bytes(np.stack([frame] * spec.input.batch).tobytes())


def _proven(
    folder: Path, name: str, request: Request, converted: Converted, comparison: Comparison
) -> tuple[ParityReport, PrecisionReport | None]:
    """Compare what the network's file computes, and what `model.py` makes of frames, with PyTorch."""
    source = comparison.source
    network = name + NETWORK_SUFFIX
    run = open_run(folder / network / VERSION / MODEL_NAME)
    manifest = Manifest(
        request.backend,
        ", ".join(versions_of(request.backend)),
        request.precision,
        request.device or CPU,
        source.spec,
        source.sha256,
        files={},
    )
    with closing(StandIn(folder / name, network, run)) as served:
        report = comparison.prove(run, manifest, None, partial(_found, served, source.spec))
    return report, converted.evaluated(run, request.backend)


def _found(served: StandIn, spec: ModelSpec, frame: NDArray[Any]) -> FrameResult:
    """Let `model.py` segment a frame, and turn the tensors that a client would get into a result."""
    wanted = [tensor.name for tensor in tensors_out(spec) if tensor.name != "masks_rle"]
    (response,) = served.execute([{FRAME: frame[None]}], wanted)
    if (error := response.error()) is not None:
        raise EngineError(f"model.py failed: {error.message()}")
    tensors = {tensor.name(): tensor.as_numpy()[0] for tensor in response.output_tensors()}
    assert served.image is not None
    return FrameResult(served.image[0], _result(tensors, spec))


def _result(tensors: Mapping[str, NDArray[Any]], spec: ModelSpec) -> Result:
    if spec.task == "semantic":
        return SemanticResult(tensors["labels"], masks=tensors.get("masks"))
    masks = tensors["masks"]
    crops = tuple(MaskCrop(0, 0, mask) for mask in masks)
    frame_hw = (masks.shape[1], masks.shape[2])
    return InstanceResult(tensors["boxes"], tensors["scores"], tensors["class_ids"], frame_hw, crops)


def _refuse_to_replace(folder: Path, name: str) -> None:
    """Refuse a place that holds anything but what an earlier build of the same name wrote."""
    if not folder.exists():
        return
    models = [folder / model for model in (name, name + NETWORK_SUFFIX)]
    there = {path.name for path in folder.iterdir() if not is_passing(path.name)} if folder.is_dir() else {""}
    written = (folder / name / VERSION / SPEC_NAME).exists()
    if there and not (there <= {path.name for path in models} and written):
        raise EngineError(
            f"{folder} holds something else than {name}'s repository; choose another path, and copy the "
            "models' folders into a repository of several"
        )
    for model in models if there else ():
        listed = ", ".join(sorted({path.name for path in model.glob("[0-9]*")} - {VERSION}))
        if listed:
            raise EngineError(
                f"{model} holds version {listed}, too, which would be lost; choose another "
                "path, and copy the new version's folders into the repository"
            )
        if not is_signed(_text_of(model / CONFIG_NAME)):
            raise EngineError(
                f"{model / CONFIG_NAME} was changed since it was built; choose another path, or remove it"
            )


def _text_of(path: Path) -> str:
    """Read a configuration; what is not there, and may be made anew, has no text."""
    return read_text(path, EngineError) if path.exists() else signed("")
