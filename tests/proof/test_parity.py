"""The verdict on an artifact, from outputs made by hand."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import numpy as np
import pytest

from edgeseg.errors import ParityError
from edgeseg.graph.running import run_all
from edgeseg.proof.parity import compare
from edgeseg.proof.report import ParityReport
from edgeseg.proof.tolerances import FP16
from edgeseg.spec import OUTPUT_NAMES, GraphSpec, InputSpec, ModelSpec, OutputSpec, Provenance

ZEROS, ONES = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)


def spec(kind: Any = "logits", batch: int = 1) -> ModelSpec:
    return ModelSpec(
        task="instance" if kind == "instances" else "semantic",
        class_names=("background", "cell"),
        input=InputSpec(16, 16, batch),
        graph=GraphSpec(ZEROS, ONES),
        output_kind=kind,
        outputs=tuple(OutputSpec(name, "float32", ()) for name in OUTPUT_NAMES[kind]),
        source=Provenance("tiny"),
    )


def detections(count: int, *, shift: float = 0.0, score: float = 0.9) -> dict[str, np.ndarray]:
    left = np.arange(count, dtype=np.float32) * 100 + shift
    boxes = np.stack([left, left * 0, left + 50, left * 0 + 50], axis=1)
    return {
        "boxes": np.concatenate([boxes, np.zeros((2, 4), np.float32)]),
        "scores": np.array([score] * count + [0, 0], np.float32),
        "class_ids": np.array([1] * count + [0, 0], np.int64),
        "masks": np.full((count + 2, 2, 2), 0.9, np.float32),
    }


def logits(seed: int = 0) -> dict[str, np.ndarray]:
    return {"logits": np.random.default_rng(seed).standard_normal((2, 16, 16)).astype(np.float32)}


def test_equal_logits_pass_and_other_logits_fail() -> None:
    report = compare([logits()], [logits()], spec())
    assert report.passed
    assert report.figures == {
        "label_agreement": 1.0,
        "class_overlap": 1.0,
        "max_relative_logit_error": 0.0,
        "mean_relative_logit_error": 0.0,
    }
    wrong = compare([logits()], [logits(1)], spec())
    assert not wrong.passed
    with pytest.raises(
        ParityError, match=r"^it does not compute .* logit error .*; label agreement 0\.\d+, "
    ):
        wrong.raise_if_failed("it")


def tied(pixels: int, *, apart: float) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Give logits (2, 16, 16) in which rounding gives some pixels another class, and those it comes from."""
    right, rounded = logits()["logits"], logits()["logits"]
    right[:, 3, :pixels], rounded[:, 3, :pixels] = 0.5, 0.5
    right[0, 3, :pixels] += apart
    rounded[1, 3, :pixels] += apart
    return {"logits": right}, {"logits": rounded}


def test_of_a_few_hundred_samples_one_may_be_a_tie_that_rounding_decides() -> None:
    right, rounded = tied(1, apart=1e-6)
    report = compare([right], [rounded], spec())
    assert report.figures["label_agreement"] == 1 - 1 / 256  # 0.9961, where 0.999 are needed
    assert report.passed
    assert compare(
        [{"logits": right["logits"][:, 2:4, :2]}], [{"logits": rounded["logits"][:, 2:4, :2]}], spec()
    ).passed


def test_two_samples_with_another_label_or_one_without_logits_are_no_tie() -> None:
    right, rounded = tied(2, apart=1e-6)
    assert compare([right], [rounded], spec()).failures == ("label agreement 0.9922, at least 0.999 needed",)
    right, wrong = tied(1, apart=0.1)
    assert not compare([right], [wrong], spec()).passed
    right, near = tied(1, apart=1e-2)  # within what fp16 may move logits, but no tie
    report = compare([right], [near], spec(), tolerances=dataclasses.replace(FP16, label_agreement=0.999))
    assert report.failures == ("label agreement 0.9961, at least 0.999 needed",)
    right, wrong = tied(1, apart=0.1)
    labels = [{"labels": side["logits"].argmax(axis=0).astype(np.uint8)} for side in (right, wrong)]
    report = compare(labels[:1], labels[1:], spec("labels"))
    assert report.failures == ("label agreement 0.9961, at least 0.999 needed",)


def test_labels_are_compared_where_both_sides_have_them() -> None:
    labels = {"labels": logits()["logits"].argmax(axis=0).astype(np.uint8)}
    report = compare([{**logits(), **labels}], [labels], spec("labels"))
    assert report.passed
    assert "max_relative_logit_error" not in report.figures


def test_outputs_of_another_shape_fail() -> None:
    report = compare([logits()], [{"logits": np.zeros((2, 8, 8), np.float32)}], spec())
    assert report.failures == ("logits are (2, 8, 8), not (2, 16, 16)",)


def test_equal_detections_pass_and_shifted_ones_fail() -> None:
    assert compare([detections(3)], [detections(3)], spec("instances")).passed
    report = compare([detections(3)], [detections(3, shift=2)], spec("instances"))
    assert report.failures == ("3 of 3 detections missed and 3 extra, at most 0 allowed",)


def test_one_detection_in_a_hundred_may_flip_by_rounding() -> None:
    report = compare([detections(100)], [detections(99)], spec("instances"))
    assert report.passed
    assert report.figures["missed"] == 1
    assert not compare([detections(100)], [detections(98)], spec("instances")).passed


def test_not_everything_can_be_borderline() -> None:
    borderline = [detections(10, score=0.5002)]
    assert not compare(borderline, [detections(0)], spec("instances")).passed


def test_the_report_says_when_nothing_was_found() -> None:
    report = compare([detections(0)], [detections(0)], spec("instances"))
    assert report.passed
    assert "found nothing" in report.notes[0]


def test_report_is_json() -> None:
    report = compare([detections(1)], [detections(1)], spec("instances"))
    parsed = json.loads(report.to_json())
    assert parsed["passed"] is True
    assert parsed["figures"]["matched"] == 1
    assert set(parsed) == {field.name for field in dataclasses.fields(ParityReport)}


def test_run_all_fills_the_last_batch_and_drops_what_filled_it() -> None:
    shapes = []

    def run(images: np.ndarray) -> dict[str, np.ndarray]:
        shapes.append(images.shape)
        return {"value": images[:, 0, 0, 0]}

    images = np.arange(5, dtype=np.uint8).reshape(5, 1, 1, 1).repeat(3, axis=3)
    results = run_all(run, images, batch=2)
    assert shapes == [(2, 1, 1, 3)] * 3
    assert [int(result["value"]) for result in results] == [0, 1, 2, 3, 4]


def test_a_few_detections_may_differ_in_fp16_and_none_in_fp32() -> None:
    reference, candidate = detections(40), detections(40)
    candidate["masks"][0] = 0.1  # started from another proposal
    candidate["scores"][1] -= 0.05
    assert not compare([reference], [candidate], spec("instances")).passed
    report = compare([reference], [candidate], spec("instances"), tolerances=FP16)
    assert report.passed
    assert report.figures["differing"] == 2
    candidate["masks"][:4] = 0.1
    assert not compare([reference], [candidate], spec("instances"), tolerances=FP16).passed


def test_only_detections_at_the_threshold_are_said_to_lie_there() -> None:
    at_the_cut = compare([detections(1, score=0.5002)], [detections(0)], spec("instances"))
    assert at_the_cut.notes == (
        "every detection lies on the score threshold: boxes and masks were not compared",
    )
    assert compare([detections(1)], [detections(0)], spec("instances")).notes == ()


def test_logits_that_underflow_do_not_speak_against_the_graph() -> None:
    """Of numbers that float32 keeps no digits of, a processor that flushes them to 0 makes others."""
    tiny = {"logits": logits()["logits"] * np.float32(1e-39)}
    flushed = {"logits": tiny["logits"] * 0}
    report = compare([tiny, logits()], [flushed, logits()], spec())
    assert not report.passed
    with pytest.raises(ParityError, match=r"^it cannot be proven: the logits underflow in PyTorch itself"):
        report.raise_if_failed("it")


def test_a_wrong_graph_is_no_underflow() -> None:
    tiny = {"logits": logits()["logits"] * np.float32(1e-39)}
    for reference, candidate in (([tiny], [logits()]), ([tiny, logits()], [tiny, logits(1)])):
        report = compare(reference, candidate, spec())
        assert not report.passed
        assert report.comparable
