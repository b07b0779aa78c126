"""Turn a trained network into a portable model: an `.onnx` file that is written only once it is proven."""

from __future__ import annotations

import dataclasses
import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
import onnx_ir as ir
import torch
from numpy.typing import NDArray

from edgeseg.bundle import GOLDEN_KEY, PARITY_KEY, SPEC_KEY
from edgeseg.errors import ExportError
from edgeseg.export.gate_images import gate_images
from edgeseg.export.golden import Golden, sample_all
from edgeseg.export.parity import FP32, Outputs, ParityReport, Tolerances, compare, run_all
from edgeseg.export.pictures import pictures
from edgeseg.export.portable import open_run, weights_sha256
from edgeseg.export.program import Program, open_program
from edgeseg.export.specification import check_request, specify
from edgeseg.export.tidying import keep_outputs, tidy
from edgeseg.export.tracing import run_eagerly, trace
from edgeseg.models.zoo import Network
from edgeseg.spec import OUTPUT_NAMES, Lowering, ModelSpec

MAX_FILE_BYTES = 2**31 - 1  # of a protobuf message
PICTURE_SEEDS = tuple(range(4))  # generated pictures the gate runs on besides the given images
GOLDEN_PICTURES = 2  # of those, how many are kept as golden outputs
ANY_SCORE = 0.0  # a threshold that every candidate passes


def export_network(
    network: Network,
    *,
    name: str,
    size_hw: tuple[int, int],
    output: Path,
    lowering: Lowering = "onnx",
    output_kind: Literal["labels", "logits"] = "labels",
    batch: int = 1,
    score_threshold: float = 0.5,
    max_detections: int = 100,
    class_names: Sequence[str] | None = None,
    checkpoint_sha256: str | None = None,
    images: Path | None = None,
    tolerances: Tolerances = FP32,
    on_step: Callable[[str], None] = lambda step: None,
) -> ParityReport:
    """Trace a network to ONNX, compare the graph with PyTorch, and write it if they agree.

    The same network gives the same bytes.

    Args:
        network: as `zoo.create` makes it; any module with semantic logits will do.
        name: of the network, for the record.
        size_hw: input size in pixels.
        output: the `.onnx` file.
        lowering: how ROI-Align and suppression become nodes.
        output_kind: of semantic networks; the others give instances.
        batch: images a run; the `onnx` lowering of instance networks takes one.
        score_threshold, max_detections: of instance networks.
        class_names: background first; by default the network's own, or numbers.
        checkpoint_sha256: of the weights, for the record.
        images: folder of real pictures for the parity gate; generated ones by default.
        tolerances: of the parity gate.
        on_step: told what happens next, for a progress display.

    Returns:
        The report that is also in the file's metadata.

    Raises:
        ExportError: if the network fails, cannot be traced, or the file cannot be written.
        ParityError: if the graph does not compute what PyTorch computes; nothing is written.
        UsageError: if the arguments contradict each other or the network.
    """
    check_request(
        network,
        size_hw=size_hw,
        lowering=lowering,
        batch=batch,
        score_threshold=score_threshold,
        max_detections=max_detections,
    )
    frames = np.concatenate([pictures(PICTURE_SEEDS, size_hw), gate_images(images, size_hw)])

    def prove(threshold: float) -> _Proof:
        with open_program(
            network,
            lowering=lowering,
            labels=output_kind == "labels",
            score_threshold=threshold,
            max_detections=max_detections,
        ) as program:
            on_step("running PyTorch")
            reference = _run_pytorch(program, frames, batch)
            spec = specify(
                network,
                reference[0],
                name=name,
                size_hw=size_hw,
                batch=batch,
                lowering=lowering,
                output_kind=output_kind,
                score_threshold=threshold,
                class_names=class_names,
                checkpoint_sha256=checkpoint_sha256,
            )
            on_step("tracing to ONNX")
            example = torch.from_numpy(np.zeros((batch, *size_hw, 3), np.uint8))
            model = tidy(trace(program, example, program.output_names, lowering))
        on_step("comparing with ONNX Runtime")
        found = run_all(open_run(_serialise(ir.to_proto(model))), frames, batch)
        limit = max_detections if network.task == "instance" else None
        report = compare(reference, found, spec, tolerances=tolerances, max_detections=limit)
        return _Proof(model, spec, reference, report)

    proof = prove(score_threshold)
    report = proof.report
    if report.passed and report.figures.get("detections") == 0:
        on_step(f"nothing scores above {score_threshold:g}: comparing everything above 0")
        report = _with_note(
            prove(ANY_SCORE).report,
            f"nothing scored above {score_threshold:g} in these images: those of any score were compared",
        )
    report.raise_if_failed(f"the graph of {name}")
    golden = _golden(proof, max_detections if network.task == "instance" else None)
    _write(_finish(proof, report, golden), output)
    return report


@dataclasses.dataclass(frozen=True)
class _Proof:
    model: ir.Model
    spec: ModelSpec
    reference: list[Outputs]  # of the generated pictures, then of the given images
    report: ParityReport


def _run_pytorch(program: Program, frames: NDArray[np.uint8], batch: int) -> list[Outputs]:
    """Run PyTorch on (M, H, W, 3) frames; the outputs of each frame."""

    def run(images: NDArray[np.uint8]) -> dict[str, NDArray[Any]]:
        outputs = run_eagerly(program, torch.from_numpy(images))
        return {name: tensor.numpy() for name, tensor in zip(program.output_names, outputs, strict=True)}

    results = run_all(run, frames, batch)
    for outputs in results:
        for name, array in outputs.items():
            if not np.isfinite(array).all():
                raise ExportError(
                    f"the network's {name} are not finite; its weights are broken, or not trained"
                )
    return list(results)


def _golden(proof: _Proof, max_detections: int | None) -> Golden:
    """Keep the generated pictures in which most was found; the first ones of a semantic network."""
    generated = proof.reference[: len(PICTURE_SEEDS)]
    found = [int((outputs["scores"] > 0).sum()) if "scores" in outputs else 0 for outputs in generated]
    seeds = tuple(sorted(sorted(PICTURE_SEEDS, key=lambda seed: -found[seed])[:GOLDEN_PICTURES]))
    names = OUTPUT_NAMES[proof.spec.output_kind]
    kept = [{name: generated[seed][name] for name in names} for seed in seeds]
    return Golden(seeds, sample_all(kept), "", max_detections)


def _finish(proof: _Proof, report: ParityReport, golden: Golden) -> onnx.ModelProto:
    """Drop what served the gate alone, check the graph, and put spec, report and golden outputs into it."""
    model: onnx.ModelProto = ir.to_proto(keep_outputs(proof.model, OUTPUT_NAMES[proof.spec.output_kind]))
    golden = dataclasses.replace(golden, weights_sha256=weights_sha256(model))
    onnx.helper.set_model_props(
        model,
        {
            SPEC_KEY: proof.spec.to_json(),
            PARITY_KEY: report.to_json(),
            GOLDEN_KEY: golden.to_json(),
        },
    )
    onnx.checker.check_model(model, full_check=True)
    onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
    return model


def _serialise(model: onnx.ModelProto) -> bytes:
    if model.ByteSize() > MAX_FILE_BYTES:
        raise ExportError(f"the graph takes {model.ByteSize()} bytes, an .onnx file holds {MAX_FILE_BYTES}")
    block: bytes = model.SerializeToString(deterministic=True)
    return block


def _write(model: onnx.ModelProto, output: Path) -> None:
    """Write the file at once or not at all."""
    block = _serialise(model)
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        handle, staging = tempfile.mkstemp(prefix=f".{output.name}-", dir=output.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(block)
            Path(staging).chmod(0o644)
            Path(staging).replace(output)
        except OSError:
            Path(staging).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise ExportError(f"cannot write {output}: {error.strerror or error}") from error


def _with_note(report: ParityReport, note: str) -> ParityReport:
    return dataclasses.replace(report, notes=(*report.notes, note))
