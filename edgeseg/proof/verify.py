"""Verify an artifact by its golden outputs: does it compute what PyTorch computed? No torch."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from edgeseg.errors import ExportError, ParityError
from edgeseg.graph.golden.golden import Golden, sample_all
from edgeseg.graph.outputs import Outputs
from edgeseg.graph.passes.intermediates import ExposeIntermediates
from edgeseg.graph.passes.sequence import changed
from edgeseg.graph.portable import PortableModel
from edgeseg.graph.protos import to_bytes
from edgeseg.graph.running import Run, open_run, run_all
from edgeseg.limits import refuse_above
from edgeseg.proof.frames import Find, with_frames
from edgeseg.proof.intermediates import IntermediatesGate, IntermediatesProof, portable_reference
from edgeseg.proof.parity import compare
from edgeseg.proof.report import ParityReport
from edgeseg.proof.tolerances import FP32, Tolerances
from edgeseg.reading import reading
from edgeseg.scenes.inputs import input_images
from edgeseg.spec import ModelSpec

AnyScore = bool
ProveIntermediates = Callable[[AnyScore], IntermediatesProof]
"""Proves an artifact by its intermediate values, as it is or with the score threshold lowered to 0."""


@dataclass(frozen=True)
class Further:
    """Images to prove on besides the golden ones, and what must be computed of them.

    Attributes:
        images: (M, H, W, C) of the spec's size, channels and type.
        outputs: of each image, without the batch axis.
    """

    images: NDArray[Any]
    outputs: Sequence[Outputs]

    @classmethod
    def computed(cls, run: Run, images: NDArray[Any], batch: int) -> Further:
        """Take what a run computes, such as the portable model's, for right."""
        return cls(images, run_all(run, images, batch))


def verify_model(model: Path | PortableModel) -> ParityReport:
    """Prove a portable model: its graph is the one that was exported, and it gives the golden outputs.

    Raises:
        ExportError: if the file is no portable model, or ONNX Runtime refuses it.
    """
    model = PortableModel.read(model)
    with reading(model.name, ExportError, what="a portable model", fix="export it again"):
        spec, golden = model.spec, model.golden
        same = model.graph_sha256 == golden.graph_sha256
        model.release()
        report = verify(open_run(model.to_bytes()), spec, golden, prove=intermediates_prover(model))
    if same:
        return report
    failure = "its graph is not the one that was exported (its sha256 differs)"
    return dataclasses.replace(report, passed=False, failures=(failure, *report.failures))


@reading("the proof", ParityError, what="of this model", fix="export the model again")
def verify(
    run: Run,
    spec: ModelSpec,
    golden: Golden,
    *,
    further: Further | None = None,
    tolerances: Tolerances = FP32,
    prove: ProveIntermediates | None = None,
    find: Find | None = None,
) -> ParityReport:
    """Prove anything that runs a portable model, such as an engine.

    Args:
        run: the artifact; takes (N, H, W, C) with the spec's batch, size, channels and type.
        golden: what PyTorch computed for generated pictures, and found in larger frames.
        further: more images, and what the portable model computes of them.
        prove: proves the intermediate values where the detections prove nothing; None where that cannot be.
        find: the artifact's own way from a frame to its result; the runtime's by default.

    Raises:
        ParityError: if the golden outputs are not those of such a model, or of far too many pixels.
    """
    pixels = len(golden.seeds) * spec.input.height * spec.input.width
    refuse_above("pixels", pixels, f"a proof on {len(golden.seeds)} pictures", ParityError)
    batch = spec.input.batch
    expected = list(golden.outputs)
    found = list(sample_all(run_all(run, input_images(golden.seeds, spec.input, spec.graph), batch)))
    if further is not None:
        expected += further.outputs
        found += run_all(run, further.images, batch)
    report = compare(expected, found, spec, tolerances=tolerances, max_detections=golden.max_detections)
    if prove is not None and golden.rules is not None:
        report = settle(report, prove)
    return with_frames(report, run, spec, golden.frames, find=find)


def settle(report: ParityReport, prove: ProveIntermediates) -> ParityReport:
    """Prove intermediate values where detections differ, for decisions may tie, and where there are none."""
    if report.task == "semantic":
        return report
    if not report.passed:
        report = prove(False).settle(report)
    if report.passed and not report.figures["detections"]:
        report = prove(True).settle(report)
    return report


def intermediates_prover(model: PortableModel, tolerances: Tolerances = FP32) -> ProveIntermediates:
    """Prove the intermediate values of a portable model by what PyTorch computed of the golden pictures."""

    def prove(any_score: AnyScore) -> IntermediatesProof:
        golden, batch = model.golden, model.spec.input.batch
        assert golden.rules is not None
        gate = IntermediatesGate(
            golden.rules.of_any_score() if any_score else golden.rules, batch, tolerances
        )
        try:
            return gate.prove_golden(
                open_run(to_bytes(changed(model.model, ExposeIntermediates(any_score=any_score)).model)),
                portable_reference(model.model),
                golden.intermediates,
                input_images(golden.seeds, model.spec.input, model.spec.graph),
            )
        except (ValueError, LookupError, TypeError) as error:  # arrays that do not fit each other
            raise ExportError(
                f"the golden intermediate values are not those of {model.name}; export it again"
            ) from error

    return prove
