"""Prove a ready detector where choices hang on rounding: by the same kernels, each node by itself."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

from edgeseg.graph.outputs import Outputs
from edgeseg.proof.parity import compare
from edgeseg.proof.report import ParityReport
from edgeseg.spec import ModelSpec

Results = Sequence[Outputs]


def without_ties(
    report: ParityReport,
    expected: Results,
    found: Results,
    run_as_written: Callable[[], Results],
    spec: ModelSpec,
) -> tuple[ParityReport, frozenset[int]]:
    """Prove by fewer images where ONNX Runtime, once it fuses nodes, chooses others of equal candidates.

    Non-maximum suppression keeps one of two boxes that score the same but for the last digits. Where the
    graph finds the very same in all images as long as each node is computed by itself, it is right; images in
    which that changes once nodes are fused prove nothing of engines, and are left out.

    Args:
        report: of all images.
        expected: what is right.
        found: by the graph as ONNX Runtime fuses it.
        run_as_written: gives what the graph finds with no node fused; asked only if the report has failed.

    Returns:
        The report, and the numbers of the images that it is of.
    """
    every = frozenset(range(len(expected)))
    if report.passed:
        return report, every

    def compared(numbers: Sequence[int], results: Results) -> ParityReport:
        return compare(
            [expected[i] for i in numbers],
            [results[i] for i in numbers],
            spec,
            tolerances=report.tolerances,
            reference_name=report.reference,
        )

    if not compared(sorted(every), run_as_written()).passed:
        return report, every
    steady = [i for i in sorted(every) if compared([i], found).passed]
    kept = compared(steady, found)
    of_all = f"{len(every) - len(steady)} of {len(every)} images"
    if not kept.figures["detections"]:
        failure = (
            "what it finds hangs on rounding: it is the same where each node is computed by itself, but in "
            f"{of_all} not once ONNX Runtime fuses nodes, and nothing is found in the others; prove it on "
            "your own pictures, --images FOLDER"
        )
        return dataclasses.replace(report, failures=(failure, *report.failures)), every
    note = (
        f"{of_all} were left out: what is found in them is the same where each node is computed by itself, "
        "but not once ONNX Runtime fuses nodes, since candidates there score the same but for rounding"
    )
    return dataclasses.replace(kept, notes=(*kept.notes, note)), frozenset(steady)
