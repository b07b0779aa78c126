"""Say in a proof what ready graph it is against, and what ONNX's reference evaluator makes of the same."""

from __future__ import annotations

import dataclasses

import numpy as np
import torch
from numpy.typing import NDArray

from edgeseg.errors import ExportError
from edgeseg.export.program import RawProgram
from edgeseg.export.ready.network import ReadyNetwork
from edgeseg.graph.evaluator import evaluate
from edgeseg.graph.opset import with_fixed_input
from edgeseg.models.network_outputs import outputs_of
from edgeseg.models.zoo import Network
from edgeseg.proof.report import ParityReport

EVALUATOR = "ONNX's reference evaluator"
FIGURE = "reference_evaluator_error"
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
    name = module.ready.input.name
    fixed = with_fixed_input(proto, name, image.shape)
    try:
        outputs = evaluate(proto, fixed, name, image.contiguous().numpy())
    except ExportError as error:
        note = f"{said}; {EVALUATOR} was not asked: {error}"
        return dataclasses.replace(report, notes=(*report.notes, note))
    error = max(map(_relative_error, found, outputs))
    verdict = (
        "agrees" if error <= AGREES else "does NOT agree: the graph means something else to each of them"
    )
    return dataclasses.replace(
        report,
        figures={**report.figures, FIGURE: error},
        notes=(
            *report.notes,
            f"{said}; {EVALUATOR} {verdict} (largest error {error:.2g} of the largest value)",
        ),
    )


def _relative_error(expected: NDArray[np.generic], found: NDArray[np.generic]) -> float:
    if expected.shape != found.shape:
        return float("inf")
    exact = expected.astype(np.float64)
    peak = float(np.abs(exact).max(initial=0.0)) or 1.0
    return float(np.abs(exact - found.astype(np.float64)).max(initial=0.0)) / peak
