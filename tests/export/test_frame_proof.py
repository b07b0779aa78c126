from __future__ import annotations

import numpy as np
import pytest

from edgeseg.export.frame_proof import FIRST_OF_IMAGES, prove_frames
from edgeseg.limits import VARIABLE
from edgeseg.proof.intermediates import MAX_INTERMEDIATE_ERROR
from edgeseg.proof.report import ParityReport
from edgeseg.scenes.pictures import pictures
from tests.proof.test_frames import SIZE_HW, bright
from tests.runtime.specs import logits_spec

SPEC = logits_spec(SIZE_HW, resize="letterbox", batch=2)


def report(passed: bool = True, **figures: float) -> ParityReport:
    return ParityReport("semantic", 2, passed, figures)


def test_generated_pictures_prove_and_are_kept() -> None:
    proven, kept = prove_frames(report(), bright, bright, SPEC, seeds=(0, 5), images=None)
    assert proven.passed
    assert proven.figures["frames"] == 3
    assert [(frame.seed, frame.size_hw) for frame in kept] == [
        (0, (128, 192)),
        (5, (141, 317)),
        (0, (384, 384)),
    ]
    assert all(frame.results["labels"].shape == (96, 96) for frame in kept)


def test_images_that_were_given_go_in_too_but_are_not_kept() -> None:
    images = pictures((7, 8), SIZE_HW)
    proven, kept = prove_frames(report(), bright, bright, SPEC, seeds=(0,), images=images)
    assert proven.passed
    assert proven.figures["frames"] == 6
    assert all(frame.seed < FIRST_OF_IMAGES for frame in kept)


def test_a_graph_that_finds_something_else_fails() -> None:
    other = lambda images: {"logits": -bright(images)["logits"]}  # noqa: E731
    proven, _ = prove_frames(report(), bright, other, SPEC, seeds=(0,), images=None)
    assert "frame label agreement" in proven.failures[0]


def test_what_has_failed_already_is_said_alone() -> None:
    failed = report(passed=False)
    assert prove_frames(failed, bright, bright, SPEC, seeds=(0,), images=None) == (failed, ())


def test_pytorch_is_not_asked_for_objects_that_tie() -> None:
    def unasked(images: np.ndarray) -> dict[str, np.ndarray]:
        raise AssertionError("frames of ties are not compared")

    tied = report(**{MAX_INTERMEDIATE_ERROR: 1e-6})
    proven, kept = prove_frames(tied, unasked, bright, SPEC, seeds=(0,), images=None)
    assert proven.passed
    assert proven.figures["frame_resize_error_levels"] <= 1
    assert all(not frame.results for frame in kept)


def test_frames_beyond_the_limit_are_left_out_and_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "pixels=50000")
    proven, kept = prove_frames(report(), bright, bright, SPEC, seeds=(0,), images=None)
    assert len(kept) == 2
    assert "1 of 3 frames that prove the resizing have more pixels" in proven.notes[-1]
