from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edgeseg.errors import EngineError, ShapeError, UsageError
from edgeseg.runtime import Engine, FakeBackend, InstanceResult, Refinement, Segmenter, SemanticResult
from edgeseg.spec import Head, HeadSpec, ModelSpec

from .specs import instances_spec, labels_spec, logits_spec
from .tiny_models import labels_engine, logits_engine

BOXES = [[0, 0, 24, 16], [24, 16, 48, 32], [0, 0, 0, 0]]


def half_bright(height: int, width: int) -> np.ndarray:
    frame = np.zeros((height, width, 3), np.uint8)
    frame[:, width // 2 :, 0] = 255  # blue: the graph's input is BGR
    return frame


@pytest.mark.parametrize("resize", ["stretch", "letterbox", "shortest_edge"])
@pytest.mark.parametrize("make", [labels_engine, logits_engine])
def test_pixels_are_labelled_in_the_frames_own_size(
    make: Callable[..., Path], resize: str, tmp_path: Path
) -> None:
    with Segmenter.open(make(tmp_path / "engine", resize=resize)) as segment:
        result = segment(half_bright(60, 100))
    assert isinstance(result, SemanticResult)
    assert result.labels.shape == (60, 100)
    away_from_bars = result.labels[15:40]  # the logits' 8x8 blocks average the dark bars in
    assert (away_from_bars[:, :48] == 0).all()  # the border may lie a resized pixel off
    assert (away_from_bars[:, 52:] == 1).all()


@pytest.mark.parametrize("size_hw", [(1, 1), (4320, 7680)])
@pytest.mark.parametrize("make", [labels_engine, logits_engine])
def test_one_pixel_and_8k_frames_work(
    make: Callable[..., Path], size_hw: tuple[int, int], tmp_path: Path
) -> None:
    with Segmenter.open(make(tmp_path / "engine", resize="stretch")) as segment:
        result = segment(np.full((*size_hw, 3), 255, np.uint8))
    assert isinstance(result, SemanticResult)
    assert result.labels.shape == size_hw
    assert (result.labels == 1).all()


def finding(boxes: list[list[int]], scores: list[float]) -> Engine:
    """Make an engine that finds the same boxes, filled by their masks, in every picture."""
    found = {
        "boxes": np.asarray(boxes, np.float32)[None],
        "scores": np.asarray(scores, np.float32)[None],
        "class_ids": np.arange(1, len(boxes) + 1)[None],
        "masks": np.ones((1, len(boxes), 4, 4), np.float32),
    }
    return FakeBackend(instances_spec(len(boxes)), lambda _: found).engine()


def test_objects_come_in_frame_pixels() -> None:
    result = Segmenter(finding(BOXES, [0.6, 0.9, 0.0]))(half_bright(64, 96))
    assert isinstance(result, InstanceResult)
    assert result.boxes.tolist() == [[48, 32, 96, 64], [0, 0, 48, 32]]
    assert result.class_ids.tolist() == [2, 1]
    assert result.masks[0, 36:60, 52:92].all()  # the mask's edge falls off over a sample


def test_a_score_threshold_replaces_the_specs() -> None:
    engine = finding(BOXES, [0.6, 0.9, 0.0])
    strict, as_the_spec_says = Segmenter(engine, score_threshold=0.7), Segmenter(engine)
    assert len(strict(half_bright(32, 48))) == 1
    assert len(as_the_spec_says(half_bright(32, 48))) == 2
    with pytest.raises(
        UsageError, match=r"keeps only what scores 0.5 or more, so 0.1 would find nothing else"
    ):
        Segmenter(engine, score_threshold=0.1)


def test_results_do_not_change_with_the_next_frame(tmp_path: Path) -> None:
    for make in (labels_engine, logits_engine):
        with Segmenter.open(make(tmp_path / make.__name__)) as segment:
            first = segment(half_bright(32, 48))
            kept = first.labels.copy()
            segment(half_bright(32, 48)[:, ::-1])
        np.testing.assert_array_equal(first.labels, kept)


def test_the_steps_compose_to_the_call() -> None:
    frame = half_bright(50, 70)
    segment = Segmenter(FakeBackend(logits_spec()).engine())
    prepared = segment.preprocess(frame)
    outputs = segment.infer(prepared)
    assert set(outputs) == {"logits"}
    result = segment.finish(outputs, prepared.placement, frame)
    np.testing.assert_array_equal(result.labels, segment(frame).labels)
    assert result.confidence is None


def test_confidence_is_there_when_asked_for(tmp_path: Path) -> None:
    with Segmenter.open(logits_engine(tmp_path / "engine"), confidence=True) as segment:
        result = segment(half_bright(50, 70))
    assert result.confidence.shape == (50, 70)
    assert result.confidence[0, 0] == pytest.approx(1 / (1 + np.exp(-2)), abs=1e-4)  # logits 1 and -1


def test_spec_and_manifest_are_there(tmp_path: Path) -> None:
    with Segmenter.open(labels_engine(tmp_path / "engine")) as segment:
        assert segment.spec.class_names == ("dark", "bright")
        assert segment.manifest.backend == "onnxruntime"


def test_a_segmenter_closes_the_engine_that_it_opened_and_no_other(tmp_path: Path) -> None:
    backend = FakeBackend(labels_spec())
    engine = backend.engine()
    with Segmenter(engine):
        pass
    Segmenter(engine)(half_bright(32, 48))
    assert not backend.closed
    engine.close()
    assert backend.closed
    with Segmenter.open(labels_engine(tmp_path / "engine")) as own:
        pass
    with pytest.raises(EngineError, match="closed"):
        own(half_bright(32, 48))


def test_a_closed_engine_says_so(tmp_path: Path) -> None:
    segment = Segmenter.open(labels_engine(tmp_path / "engine"))
    segment.close()
    segment.close()
    with pytest.raises(EngineError, match="closed"):
        segment(half_bright(32, 48))


def test_a_frame_that_is_none_is_refused() -> None:
    with pytest.raises(ShapeError, match="uint8 BGR"):
        Segmenter(FakeBackend(labels_spec()).engine())(np.zeros((32, 48), np.uint8))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"score_threshold": 0.5}, "for instances"),
        ({"confidence": True}, "--output-kind logits"),
        ({"threads": 0}, "threads must be 1 to"),
        ({"threads": 100_000}, "the cores that may be used here"),
        ({"device": "abacus"}, "no device 'abacus'"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(arguments: dict, message: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=message):
        Segmenter.open(labels_engine(tmp_path / "engine"), **arguments)


def with_head(spec: ModelSpec, kind: Head) -> Engine:
    """Make an engine whose network has another head."""
    return FakeBackend(dataclasses.replace(spec, head=HeadSpec(kind))).engine()


def test_classes_that_may_overlap_have_masks_and_no_crf() -> None:
    engine = with_head(logits_spec(), "multilabel")
    result = Segmenter(engine)(half_bright(32, 48))
    assert result.masks[:, 0].tolist() == [[True] * 24 + [False] * 24, [False] * 24 + [True] * 24]
    with pytest.raises(UsageError, match="classes may overlap; run without it"):
        Segmenter(engine, refinement=Refinement())


def test_a_network_that_decides_by_itself_has_no_logits_to_give() -> None:
    engine = with_head(labels_spec(), "labels")
    for asked in ({"confidence": True}, {"refinement": Refinement()}):
        with pytest.raises(UsageError, match="its network decides by itself, and has none to give"):
            Segmenter(engine, **asked)


def test_a_score_threshold_is_a_probability() -> None:
    with pytest.raises(UsageError, match="0 to 1"):
        Segmenter(finding(BOXES, [1, 1, 1]), score_threshold=50)


def test_a_portable_model_is_sent_to_build(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"a model")
    with pytest.raises(EngineError, match=r"edgeseg build .*model\.onnx"):
        Segmenter.open(tmp_path / "model.onnx")


def test_a_folder_without_a_manifest_is_no_engine(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="not an engine"):
        Segmenter.open(tmp_path)


def test_a_changed_file_is_found(tmp_path: Path) -> None:
    engine = labels_engine(tmp_path / "engine")
    with (engine / "model.onnx").open("ab") as file:
        file.write(b"\0")
    with pytest.raises(EngineError, match="sha256"):
        Segmenter.open(engine)
