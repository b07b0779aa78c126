"""An engine with a CRF behind it: in Python, in the pipeline, and on the command line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgeseg.cli import status_of
from edgeseg.errors import UsageError
from edgeseg.runtime import Segmenter
from edgeseg.runtime.pipeline import run
from edgeseg.runtime.sources.synthetic import SyntheticSource
from edgeseg.spec import CRFSpec

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


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (labels_engine, "needs the network's logits.*--output-kind logits"),
        (lambda folder: instance_engine(folder, [[0, 0, 8, 8]], [0.9]), "refines semantic labels"),
    ],
)
def test_engines_without_logits_are_refused(tmp_path: Path, make, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Segmenter.open(make(tmp_path / "engine"), crf=True)


def test_refining_without_a_crf_is_refused(tmp_path: Path) -> None:
    with Segmenter.open(logits_engine(tmp_path / "engine")) as segmenter:
        prepared = segmenter.preprocess(bright_corner())
        with pytest.raises(UsageError, match="opened without a CRF"):
            segmenter.refine(segmenter.infer(prepared), prepared, bright_corner())


@pytest.mark.parametrize("command", ["run", "profile"])
def test_commands_refine_within_a_budget(tmp_path: Path, command: str, capsys) -> None:
    engine = logits_engine(tmp_path / "engine")
    arguments = [command, str(engine), "synthetic:64x48", "--frames", "2", "--crf", "--budget-ms", "50"]
    assert status_of(arguments) == 0
    assert "crf" in capsys.readouterr().out


def test_a_budget_without_a_crf_is_refused(tmp_path: Path, capsys) -> None:
    engine = str(logits_engine(tmp_path / "engine"))
    assert status_of(["run", engine, "synthetic:", "--frames", "1", "--budget-ms", "5"]) == 2
    assert "add --crf" in capsys.readouterr().err
