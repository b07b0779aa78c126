"""Export a trained network as a portable model: an `.onnx` file that is written only once it is proven."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import torch
from numpy.typing import NDArray

from edgeseg.errors import EdgesegError, ExportError
from edgeseg.export.assembling import graph_of
from edgeseg.export.conditioning import check_own_error, refuse_half_precision
from edgeseg.export.frame_proof import prove_frames
from edgeseg.export.pictures import Draw, drawing, others
from edgeseg.export.program import InstanceProgram, Program, SemanticProgram, open_program
from edgeseg.export.pytorch_intermediates import golden_intermediates, prover, rules_of
from edgeseg.export.reading import Read, check_labels, read
from edgeseg.export.ready.detections import ReadyDetector, check_class_ids, settled
from edgeseg.export.ready.network import ReadyNetwork
from edgeseg.export.ready.second_opinion import proven_by
from edgeseg.export.semantic_proof import finish_all, with_meaning
from edgeseg.export.settings import Settings, check_head, check_settings
from edgeseg.export.specification import describe_input, specify
from edgeseg.export.tracing import run_eagerly
from edgeseg.files import staged_file
from edgeseg.graph.content import MAX_FILE_BYTES
from edgeseg.graph.golden.frames import GoldenFrame
from edgeseg.graph.golden.golden import Golden, sample_all
from edgeseg.graph.golden.selection import Selection
from edgeseg.graph.outputs import Outputs
from edgeseg.graph.passes.outputs import KeepOutputs
from edgeseg.graph.portable import PortableModel, graph_sha256
from edgeseg.graph.running import Run, check_frames, open_run, reference_library, run_all
from edgeseg.manifest import GOLDEN_KEY, PARITY_KEY, SPEC_KEY
from edgeseg.models.network import Network
from edgeseg.proof.parity import compare
from edgeseg.proof.report import PYTORCH, ParityReport
from edgeseg.proof.verify import intermediates_prover, settle, verify
from edgeseg.spec import OUTPUT_NAMES, ModelSpec

__all__ = ["Exported", "Settings", "export_network"]

GOLDEN_PICTURES = 2  # generated pictures whose outputs are kept in the file
TRIED_PICTURES = {"semantic": 2, "instance": 4}  # generated ones the gate runs on; the best are kept
MOST_TRIED = 16  # as many are tried, step by step, until a detector finds something


@dataclasses.dataclass(frozen=True)
class Exported:
    """A portable model that was written.

    Attributes:
        path: of the `.onnx` file.
        spec: what a runtime must know of the graph; it is also in the file.
        parity: the proof that the file computes what PyTorch computes; also in the file.
        notes: what a user should know of the weights: what was left out, or assumed.
    """

    path: Path
    spec: ModelSpec
    parity: ParityReport
    notes: tuple[str, ...] = ()


def export_network(
    network: Network,
    output: Path,
    settings: Settings,
    *,
    images: NDArray[Any] | None = None,
    on_step: Callable[[str], None] = lambda step: None,
) -> Exported:
    """Trace a network to ONNX, compare the graph with PyTorch, and write it if they agree.

    The same network gives the same bytes.

    Args:
        network: as `zoo.create` makes it; any module with semantic logits will do.
        output: the `.onnx` file.
        images: (M, H, W, C) of the settings' size and the network's type, prepared as the runtime prepares
            frames, to compare on besides generated ones; synthetic scenes by default.
        on_step: told what happens next, for a progress display.

    Raises:
        ExportError: if the network fails, cannot be traced, or computes numbers that float32 does not hold,
            or the file cannot be written.
        MissingExtraError: if ONNX Runtime is not installed.
        ParityError: if the graph does not compute what PyTorch computes; nothing is written.
        ShapeError: if `images` are something else.
        UsageError: if the settings contradict each other or the network.
    """
    check_settings(network, settings)
    _check_weights(network)
    reference_library()  # the gate needs it, minutes later
    check_frames(images, describe_input(network, settings))
    with staged_file(output, ExportError) as staging:
        proof = _prove(network, settings, images, on_step)
        report = proof.report
        report.raise_if_failed(f"the graph of {settings.name}")
        on_step("writing")
        finished, golden = _finish(proof, report)
        staging.write_bytes(_serialise(finished))
        model = PortableModel.read(staging)
        written = verify(
            open_run(model.to_bytes()),
            proof.spec,
            dataclasses.replace(golden, frames=()),  # which the same graph has just been proven by
            tolerances=settings.tolerances,
            prove=intermediates_prover(model, settings.tolerances),
        )
        written.raise_if_failed(f"the written graph of {settings.name}")
    return Exported(output, proof.spec, report)


def _check_weights(network: Network) -> None:
    """Refuse weights that are not numbers: where a class's score is lost, the outputs need not show it."""
    for name, weight in network.module.state_dict().items():
        if weight.is_floating_point() and not torch.isfinite(weight).all():
            raise ExportError(f"the weight {name} holds values that are not finite; the checkpoint is broken")


@dataclasses.dataclass(frozen=True)
class _Proof:
    model: ir.Model
    spec: ModelSpec
    generated: list[Outputs]  # of pictures 0, 1, .. in PyTorch
    report: ParityReport
    seeds: tuple[int, ...]  # of golden pictures
    max_detections: int | None = None
    rules: Selection | None = None  # of a detector
    intermediates: Mapping[int, Outputs] = dataclasses.field(default_factory=dict)  # samples, by picture
    frames: tuple[GoldenFrame, ...] = ()


def _prove(
    network: Network, settings: Settings, given: NDArray[Any] | None, on_step: Callable[[str], None]
) -> _Proof:
    """Trace the network, and run the graph beside PyTorch on generated pictures and (M, H, W, C) images."""
    reference_name = _reference_name(network)
    on_step(f"running {reference_name}")
    images = others(network, settings) if given is None else given
    draw = drawing(network, settings)
    seen: Read | None = None
    if network.task == "semantic":
        seeds = range(TRIED_PICTURES["semantic"])
        frames = np.concatenate([draw(seeds), images])
        seen = read(network, frames, settings.batch)
        check_head(seen.reading.head.kind, settings)
    reading = None if seen is None else seen.reading
    with open_program(network, settings, reading) as program:
        if seen is not None and isinstance(program, SemanticProgram):
            reference: list[Outputs] = [*finish_all(program, seen, frames)]
            generated = reference[: len(seeds)]
        else:
            generated = _run_on_pictures(program, settings, draw)
            reference = generated + _run_pytorch(program, images, settings.batch)
        spec = specify(network, settings, reference[0], None if reading is None else reading.head)
        _check_classes(program, seen, reference, spec)
        on_step("tracing to ONNX")
        model = graph_of(program, network, settings)
        on_step("comparing with ONNX Runtime")
        frames = np.concatenate([draw(range(len(generated))), images])
        run = _opened(model, network, frames[0])
        steady: Collection[int] = range(len(frames))
        found = run_all(run, frames, settings.batch)
        if not isinstance(program, InstanceProgram):
            report = compare(
                reference, found, spec, tolerances=settings.tolerances, reference_name=reference_name
            )
            if reference_name != PYTORCH:
                report, steady = settled(
                    report,
                    program,
                    reference,
                    found,
                    spec,
                    run_as_written=lambda: _as_written(model, frames, settings.batch),
                )
                report = proven_by(report, network, frames[0])
            if seen is not None:
                report = with_meaning(report, seen, found, spec)
                if report.comparable and not report.passed:
                    refuse_half_precision(network, frames[0])
                    check_own_error(network, seen, frames[0], settings.tolerances.relative_logit)
            on_step("comparing larger frames")
            kept = _golden_seeds(generated, steady)
            report, golden = prove_frames(report, _pytorch(program), run, spec, seeds=kept, images=given)
            return _Proof(model, spec, generated, report, kept, frames=golden)
        limit = settings.max_detections
        report = compare(reference, found, spec, tolerances=settings.tolerances, max_detections=limit)
        rules = rules_of(program, settings.size_hw)
        report = settle(report, prover(program, model, frames, settings, on_step))
        kept = _golden_seeds(generated, steady)
        repeats = settings.batch
        intermediates = {
            seed: golden_intermediates(program, np.repeat(draw((seed,)), repeats, axis=0)) for seed in kept
        }
        on_step("comparing larger frames")
        report, golden = prove_frames(report, _pytorch(program), run, spec, seeds=kept, images=given)
        return _Proof(model, spec, generated, report, kept, limit, rules, intermediates, golden)


def _check_classes(program: Program, seen: Read | None, reference: list[Outputs], spec: ModelSpec) -> None:
    """Refuse classes beyond those that were said to be there."""
    if seen is not None:
        check_labels(seen, spec)
    elif isinstance(program, ReadyDetector):
        check_class_ids(reference, spec)


def _reference_name(network: Network) -> str:
    """Name what computes that which is right."""
    return network.module.ready.reference if isinstance(network.module, ReadyNetwork) else PYTORCH


def _opened(model: ir.Model, network: Network, frame: NDArray[Any]) -> Run:
    """Open the graph, or say that the network itself is in half precision."""
    try:
        return open_run(_serialise(ir.to_proto(model)))
    except EdgesegError:
        refuse_half_precision(network, frame)
        raise


def _as_written(model: ir.Model, frames: NDArray[Any], batch: int) -> list[Outputs]:
    """Run the graph, each node by itself."""
    return list(run_all(open_run(_serialise(ir.to_proto(model)), as_written=True), frames, batch))


def _run_on_pictures(program: Program, settings: Settings, draw: Draw) -> list[Outputs]:
    """Run a detector in PyTorch on pictures 0, 1, ..: on more and more of them until it finds something."""
    results: list[Outputs] = []
    while len(results) < MOST_TRIED and not any(_detections(outputs) for outputs in results):
        seeds = range(len(results), len(results) + TRIED_PICTURES["instance"])
        results += _run_pytorch(program, draw(seeds), settings.batch)
    return results


def _detections(outputs: Outputs) -> int:
    return int((outputs["scores"] > 0).sum()) if "scores" in outputs else 0


def _run_pytorch(program: Program, frames: NDArray[Any], batch: int) -> list[Outputs]:
    """Run PyTorch on (M, H, W, C) frames; the outputs of each frame."""
    return list(run_all(_pytorch(program), frames, batch))


def _pytorch(program: Program) -> Run:
    """Let PyTorch run a program on a batch."""

    def run(images: NDArray[Any]) -> dict[str, NDArray[Any]]:
        outputs = run_eagerly(program, torch.from_numpy(images))
        named = {name: tensor.numpy() for name, tensor in zip(program.output_names, outputs, strict=True)}
        for name, array in named.items():
            if not np.isfinite(array).all():
                raise ExportError(
                    f"the network's {name} are not finite; its weights are broken, or not trained"
                )
        return named

    return run


def _golden_seeds(generated: Sequence[Outputs], steady: Collection[int]) -> tuple[int, ...]:
    """Choose the steady pictures in which most was found; the first ones of a semantic network."""
    best_first = sorted(
        (seed for seed in range(len(generated)) if seed in steady),
        key=lambda seed: -_detections(generated[seed]),
    )
    return tuple(sorted(best_first[:GOLDEN_PICTURES]))


def _golden(proof: _Proof, digest: str) -> Golden:
    seeds = proof.seeds
    names = OUTPUT_NAMES[proof.spec.output_kind]
    kept = [{name: proof.generated[seed][name] for name in names} for seed in seeds]
    intermediates = tuple(proof.intermediates[seed] for seed in seeds if proof.intermediates)
    return Golden(
        seeds,
        sample_all(kept),
        digest,
        proof.max_detections,
        intermediates,
        proof.rules,
        frames=proof.frames,
    )


def _finish(proof: _Proof, report: ParityReport) -> tuple[onnx.ModelProto, Golden]:
    """Drop what served the gate alone, check the graph, and put spec, report and golden outputs into it."""
    model: onnx.ModelProto = ir.to_proto(KeepOutputs(OUTPUT_NAMES[proof.spec.output_kind])(proof.model).model)
    properties = {SPEC_KEY: proof.spec.to_json(), PARITY_KEY: report.to_json()}
    onnx.helper.set_model_props(model, properties)
    golden = _golden(proof, graph_sha256(model))
    onnx.helper.set_model_props(model, {**properties, GOLDEN_KEY: golden.to_json()})
    onnx.checker.check_model(model, full_check=True)
    onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
    return model, golden


def _serialise(model: onnx.ModelProto) -> bytes:
    if model.ByteSize() > MAX_FILE_BYTES:
        raise ExportError(f"the graph takes {model.ByteSize()} bytes, an .onnx file holds {MAX_FILE_BYTES}")
    block: bytes = model.SerializeToString(deterministic=True)
    return block
