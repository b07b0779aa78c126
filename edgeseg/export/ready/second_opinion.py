"""Say in a proof what ready graph it is against, and what ONNX's reference evaluator makes of the same."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray

from edgeseg.errors import ExportError
from edgeseg.export.lowering import OPSET
from edgeseg.export.program import RawProgram
from edgeseg.export.ready.network import ReadyNetwork
from edgeseg.graph.evaluator import evaluate
from edgeseg.graph.opset import with_fixed_input, with_opset
from edgeseg.graph.ready_model import opset_of
from edgeseg.models.network import Network
from edgeseg.models.network_outputs import Output, outputs_of
from edgeseg.proof.report import ParityReport
from edgeseg.proof.tolerances import FP16

EVALUATOR = "ONNX's reference evaluator"
FIGURE, HALF_FIGURE = "reference_evaluator_error", "half_precision_error"
AGREES = 1e-3  # of the largest value: what float32 leaves of a deep network in another order


def proven_by(report: ParityReport, network: Network, frame: NDArray[np.uint8]) -> ParityReport:
    """Add what the proof rests on, and the evaluator's largest error, relative to the largest value.

    Args:
        network: of a ready graph.
        frame: (H, W, 3) uint8 BGR, that both compute.
    """
    module = network.module
    assert isinstance(module, ReadyNetwork)
    said = f"proven against {report.reference}"
    if (proto := module.ready.proto) is None:
        return dataclasses.replace(report, notes=(*report.notes, said))
    with torch.inference_mode():
        image = module.prepare(RawProgram(network).eval().preprocessing(torch.from_numpy(frame)[None]))
        found = [output.tensor.numpy() for output in outputs_of(module.ready.run(image))]
        if module.ready.run_half is not None and network.task == "semantic":  # how many objects may differ
            report = _near_half(report, found, outputs_of(module.ready.run_half(image)))
    try:
        outputs, form = _evaluated(proto, module.ready.input.name, image.contiguous().numpy())
    except ExportError as reason:
        note = f"{said}; {EVALUATOR} was not asked: {reason}"
        return dataclasses.replace(report, notes=(*report.notes, note))
    error = max(map(_relative_error, found, outputs))
    verdict = "agrees" if error <= AGREES else "does NOT agree: to each the graph means something else"
    note = f"{said}; {EVALUATOR} {verdict} ({form}largest error {error:.2g} of the largest value)"
    figures = {**report.figures, FIGURE: error}
    return dataclasses.replace(report, figures=figures, notes=(*report.notes, note))


def _near_half(report: ParityReport, wide: list[NDArray[Any]], half: list[Output]) -> ParityReport:
    """Hold a graph in float32 against the one in half precision that it was."""
    pairs = zip(wide, half, strict=True)
    error = max(_relative_error(one, other.tensor.numpy()) for one, other in pairs)
    note = f"widened to float32; in half precision, as it came, {error:.2g} of the largest value away"
    failures = report.failures
    if error > FP16.relative_logit:
        failures = (
            *failures,
            f"the graph in half precision is {error:.2g} of the largest value away from the same in float32, "
            f"{FP16.relative_logit:g} is allowed",
        )
    figures = {**report.figures, HALF_FIGURE: error}
    passed = report.passed and not failures
    return dataclasses.replace(
        report, passed=passed, figures=figures, failures=failures, notes=(*report.notes, note)
    )


def _evaluated(proto: onnx.ModelProto, name: str, image: NDArray[Any]) -> tuple[list[NDArray[Any]], str]:
    """Ask the evaluator, of a graph in an opset that it does not know after a conversion; also say so."""
    fixed = with_fixed_input(proto, name, image.shape)
    try:
        return evaluate(proto, fixed, name, image), ""
    except ExportError:
        if opset_of(proto) >= OPSET:
            raise
        return evaluate(with_opset(fixed, OPSET, "it"), fixed, name, image), f"in opset {OPSET}, "


def _relative_error(expected: NDArray[np.generic], found: NDArray[np.generic]) -> float:
    if expected.shape != found.shape:
        return float("inf")
    exact = expected.astype(np.float64)
    peak = float(np.abs(exact).max(initial=0.0)) or 1.0
    return float(np.abs(exact - found.astype(np.float64)).max(initial=0.0)) / peak
