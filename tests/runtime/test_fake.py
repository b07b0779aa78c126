"""A fake backend does what a real one does, and its outputs are those of the images' pixels."""

from __future__ import annotations

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from edgeseg.errors import EngineError, ShapeError
from edgeseg.runtime import FakeBackend, InstanceResult, Segmenter, SemanticResult
from edgeseg.runtime.fake import SCORE

from .specs import instances_spec, labels_spec, logits_spec

BLACK = np.zeros((1, 32, 48, 3), np.uint8)


def with_object() -> np.ndarray:
    """A frame (32, 48, 3) that is blue in rows 8..15 and columns 20..39."""
    frame = np.zeros((32, 48, 3), np.uint8)
    frame[8:16, 20:40, 0] = 200
    return frame


def test_classes_are_the_blue_of_pixels() -> None:
    frame = with_object()
    result = Segmenter(FakeBackend(labels_spec()).engine())(frame)
    assert isinstance(result, SemanticResult)
    np.testing.assert_array_equal(result.labels, frame[..., 0] > 0)


def test_logits_are_those_of_the_mean_of_each_cell() -> None:
    dark, bright = FakeBackend(logits_spec()).infer(with_object()[None])["logits"][0]
    # of the cells in columns 16..23 half the pixels have 200, whose mean of 100 is dark
    expected = [[-1] * 6, [-1, -1, -1, 1, 1, -1], [-1] * 6, [-1] * 6]
    np.testing.assert_array_equal(bright, expected)
    np.testing.assert_array_equal(dark, -bright)


def test_labels_share_the_range_of_blue_evenly() -> None:
    ramp = np.zeros((1, 1, 256, 3), np.uint8)
    ramp[..., 0] = np.arange(256)
    labels = FakeBackend(labels_spec((1, 256))).infer(ramp)["labels"]
    assert labels[0, 0].tolist() == [0] * 128 + [1] * 128


@pytest.mark.parametrize("count", [None, 3])
def test_the_bright_pixels_are_an_instance(count: int | None) -> None:
    segment = Segmenter(FakeBackend(instances_spec(count)).engine())
    result = segment(with_object())
    assert isinstance(result, InstanceResult)
    assert result.boxes.tolist() == [[20, 8, 40, 16]]
    assert result.scores.tolist() == [pytest.approx(SCORE)]
    assert result.class_ids.tolist() == [count or 1]
    assert result.masks[0, 9:15, 22:38].all()
    assert len(segment(BLACK[0])) == 0


def test_outputs_may_be_the_tests_own_and_are_checked() -> None:
    labels = np.ones((1, 32, 48), np.uint8)
    backend = FakeBackend(labels_spec(), lambda images: {"labels": labels})
    given = backend.infer(BLACK)["labels"]
    given[:] = 5
    assert (labels == 1).all()  # the outputs are the caller's
    for wrong in ({"labels": labels[0]}, {"labels": labels.astype(int)}, {"logits": labels}, {}):
        with pytest.raises(ShapeError, match=r"the spec says labels uint8 \(1, 32, 48\), got "):
            FakeBackend(labels_spec(), lambda images, wrong=wrong: wrong).infer(BLACK)


def test_it_fails_as_it_is_told_to_and_counts_its_calls() -> None:
    def fail(images: np.ndarray) -> dict[str, np.ndarray]:
        raise EngineError("the device is lost")

    backend = FakeBackend(labels_spec(), fail)
    segment = Segmenter(backend.engine())
    for calls in (1, 2):
        with pytest.raises(EngineError, match="the device is lost"):
            segment(BLACK[0])
        assert backend.calls == calls


def test_delays_of_several_threads_pass_side_by_side() -> None:
    together = threading.Barrier(2)
    backend = FakeBackend(labels_spec(), delay_s=0.02)

    def infer(_: int) -> float:
        together.wait(30)
        started_s = time.monotonic()
        backend.infer(BLACK)
        return time.monotonic() - started_s

    with ThreadPoolExecutor(2) as pool:
        assert min(pool.map(infer, range(2))) >= 0.02
    assert backend.calls == 2


def test_a_closed_one_says_so() -> None:
    backend = FakeBackend(labels_spec())
    backend.close()
    backend.close()
    with pytest.raises(EngineError, match="the engine is closed; open it again"):
        backend.infer(BLACK)


def test_images_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ShapeError, match="image uint8"):
        FakeBackend(labels_spec()).infer(BLACK[:, 1:])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_it_knows_the_process_that_made_it(monkeypatch: pytest.MonkeyPatch) -> None:
    backend = FakeBackend(labels_spec())
    with monkeypatch.context() as patch:
        patch.setattr(os, "getpid", lambda: -1)
        with pytest.raises(EngineError, match="opened before this process was forked"):
            backend.infer(BLACK)
        backend.close()
    assert not backend.closed
