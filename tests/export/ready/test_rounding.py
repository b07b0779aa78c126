"""Images in which a detector's choices hang on rounding are left out, if the graph is right without that."""

from __future__ import annotations

import numpy as np
import pytest

from edgeseg.export.ready.rounding import without_ties
from edgeseg.graph.outputs import Outputs
from edgeseg.proof.parity import compare
from edgeseg.spec import OUTPUT_NAMES, GraphSpec, InputSpec, ModelSpec, OutputSpec, Provenance

SPEC = ModelSpec(
    task="instance",
    class_names=("background", "cell"),
    input=InputSpec(16, 16, 1),
    graph=GraphSpec((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
    output_kind="instances",
    outputs=tuple(OutputSpec(name, "float32", ()) for name in OUTPUT_NAMES["instances"]),
    source=Provenance("tiny"),
)


def found_at(x: float) -> Outputs:
    """One object, whose box begins there."""
    return {
        "boxes": np.array([[x, 0, x + 10, 10]], np.float32),
        "scores": np.array([0.9], np.float32),
        "class_ids": np.array([1], np.int64),
        "masks": np.ones((1, 28, 28), np.float32),
    }


def test_images_that_fusion_changes_are_left_out() -> None:
    expected, fused = [found_at(0), found_at(5)], [found_at(0), found_at(30)]
    report, steady = without_ties(compare(expected, fused, SPEC), expected, fused, lambda: expected, SPEC)
    assert report.passed
    assert report.images == 1
    assert steady == {0}
    assert any(note.startswith("1 of 2 images were left out") for note in report.notes)


def test_a_graph_that_is_wrong_node_by_node_stays_refused() -> None:
    expected, fused = [found_at(0), found_at(5)], [found_at(0), found_at(30)]
    report, _ = without_ties(compare(expected, fused, SPEC), expected, fused, lambda: fused, SPEC)
    assert not report.passed


def test_where_no_image_is_left_nothing_is_proven() -> None:
    expected, fused = [found_at(5)], [found_at(30)]
    report, _ = without_ties(compare(expected, fused, SPEC), expected, fused, lambda: expected, SPEC)
    assert not report.passed
    assert "hangs on rounding" in report.failures[0]


def test_what_agrees_is_not_computed_again() -> None:
    expected = [found_at(0)]
    report = compare(expected, expected, SPEC)
    assert without_ties(report, expected, expected, lambda: pytest.fail("asked"), SPEC) == (report, {0})
