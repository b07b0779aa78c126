"""An engine with a CRF behind it: in Python, in the pipeline, and on the command line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgeseg.cli import status_of
from edgeseg.errors import UsageError
from edgeseg.runtime import FakeBackend, InstanceResult, Segmenter
from edgeseg.runtime.crf import instances, refinement
from edgeseg.runtime.pipeline import run
from edgeseg.runtime.sources.synthetic import SyntheticSource
from edgeseg.spec import CRFSpec

from .specs import logits_spec
from .tiny_models import instance_engine, labels_engine, logits_engine


def bright_corner() -> np.ndarray:
    """Give a frame whose border between dark and bright lies inside the blocks of the engine's logits."""
    frame = np.zeros((64, 96, 3), np.uint8)
    frame[:37, 41:, 0] = 255
    return frame


def test_a_crf_finds_the_edge_that_coarse_logits_miss(tmp_path: Path) -> None:
    engine, frame = logits_engine(tmp_path / "engine", resize="stretch"), bright_corner()
    truth = frame[..., 0] > 0
    with Segmenter.open(engine) as plain, Segmenter.open(engine, crf=True, confidence=True) as refined:
        assert not np.array_equal(plain(frame).labels, truth)
        result = refined(frame)
    assert np.array_equal(result.labels, truth)
    assert result.confidence.min() >= 0.5


def test_parameters_may_be_given(tmp_path: Path) -> None:
    engine, frame = logits_engine(tmp_path / "engine", resize="stretch"), bright_corner()
    with (
        Segmenter.open(engine) as plain,
        Segmenter.open(engine, crf=CRFSpec(64, iterations=0)) as nothing,
    ):
        assert (plain(frame).labels == nothing(frame).labels).mean() > 0.99  # ties of bilinear samples


def test_the_pipeline_times_the_crf_in_place_of_postprocessing(tmp_path: Path) -> None:
    with Segmenter.open(logits_engine(tmp_path / "engine"), crf=True, crf_budget_ms=1000) as segmenter:
        report = run(SyntheticSource((48, 64)), segmenter, frames=3)
    assert report.stages["crf"].samples == 3
    assert "postprocess" not in report.stages


def test_labels_without_logits_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"needs the network's logits.*--output-kind logits"):
        Segmenter.open(labels_engine(tmp_path / "engine"), crf=True)


def corner_engine(folder: Path) -> Path:
    """Write an engine whose only mask, a full one, reaches three pixels beyond the bright corner."""
    return instance_engine(folder, [[38, 2, 94, 40]], [0.9], size_hw=(64, 96))


def test_a_mask_is_refined_within_its_box(tmp_path: Path) -> None:
    engine, frame = corner_engine(tmp_path / "engine"), bright_corner()
    strong = CRFSpec(64, appearance_position_px=30, appearance_weight=8, smoothness_weight=1)
    with Segmenter.open(engine) as plain, Segmenter.open(engine, crf=strong) as refined:
        before, after = plain(frame), refined(frame)
    assert isinstance(after, InstanceResult)
    assert np.array_equal(after.boxes, before.boxes)
    assert after.crops()[0].window == before.crops()[0].window
    dark = frame[..., 0] == 0
    assert (before.masks[0] & dark).sum() > 100
    assert not (after.masks[0] & dark).any()


def test_instances_have_defaults_of_their_own(tmp_path: Path) -> None:
    engine, frame = corner_engine(tmp_path / "engine"), bright_corner()
    with (
        Segmenter.open(engine, crf=True) as default,
        Segmenter.open(engine, crf=instances.DEFAULT) as same,
        Segmenter.open(engine, crf=refinement.DEFAULT) as other,
    ):
        masks = [segmenter(frame).masks for segmenter in (default, same, other)]
    assert np.array_equal(masks[0], masks[1])
    assert not np.array_equal(masks[0], masks[2])


def test_a_refinement_of_the_other_task_is_refused() -> None:
    engine = FakeBackend(logits_spec()).engine()
    with pytest.raises(UsageError, match="an InstanceRefinement is for instances"):
        Segmenter(engine, refinement=instances.InstanceRefinement())


def test_segmenters_of_one_engine_share_outputs_and_finish_them_each_in_its_way() -> None:
    engine, frame = FakeBackend(logits_spec((64, 96), resize="stretch")).engine(), bright_corner()
    plain, refined = Segmenter(engine), Segmenter(engine, refinement=refinement.Refinement())
    prepared = plain.preprocess(frame)
    outputs = plain.infer(prepared)
    before, after = (one.finish(outputs, prepared.placement, frame) for one in (plain, refined))
    assert (plain.finish_stage, refined.finish_stage) == ("postprocess", "crf")
    np.testing.assert_array_equal(before.labels, plain(frame).labels)
    np.testing.assert_array_equal(after.labels, refined(frame).labels)
    truth = frame[..., 0] > 0
    assert np.array_equal(after.labels, truth)
    assert not np.array_equal(before.labels, truth)


@pytest.mark.parametrize("command", ["run", "profile"])
@pytest.mark.parametrize("make", [logits_engine, corner_engine])
def test_commands_refine_within_a_budget(tmp_path: Path, command: str, make, capsys) -> None:
    engine = make(tmp_path / "engine")
    arguments = [command, str(engine), "synthetic:64x48", "--frames", "2", "--crf", "--budget-ms", "50"]
    assert status_of(arguments) == 0
    assert "crf" in capsys.readouterr().out


def test_a_profile_refuses_a_budget_without_a_crf(tmp_path: Path, capsys) -> None:
    engine = str(logits_engine(tmp_path / "engine"))
    assert status_of(["profile", engine, "synthetic:", "--frames", "1", "--budget-ms", "5"]) == 2
    assert "add --crf" in capsys.readouterr().err
