"""One engine serves many segmenters and threads, one image at a time or in batches, until it is closed."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from edgeseg.errors import EngineError, ShapeError
from edgeseg.runtime import Engine, FakeBackend, InstanceResult, Segmenter
from edgeseg.runtime.fake import fake_outputs
from edgeseg.spec import ModelSpec, OutputSpec

from .specs import instances_spec, labels_spec, logits_spec
from .tiny_models import labels_engine, logits_engine

WAIT_S = 30.0  # far more than any of it takes
FRAME_SIZES_HW = [(32, 48), (40, 60), (57, 43), (64, 96)]  # the first fits as it is


def frame(number: int) -> np.ndarray:
    """A dark frame with a bright rectangle of its own, and noise in both."""
    rng = np.random.default_rng(number)
    height, width = FRAME_SIZES_HW[number % len(FRAME_SIZES_HW)]
    image = rng.integers(0, 100, (height, width, 3), np.uint8)
    top, left = rng.integers(0, height // 2), rng.integers(0, width // 2)
    image[top : top + height // 2, left : left + width // 2] += 150
    return image


def plain(result: object) -> list[np.ndarray]:
    if isinstance(result, InstanceResult):
        return [result.boxes, result.scores, result.class_ids, result.masks]
    return [result.labels]  # type: ignore[attr-defined]


def same(one: object, other: object) -> bool:
    return all(map(np.array_equal, plain(one), plain(other)))


def test_an_engine_gives_and_takes_batches() -> None:
    spec = labels_spec(batch=3)
    backend = FakeBackend(spec)
    images = np.random.default_rng(0).integers(0, 256, (3, 32, 48, 3), np.uint8)
    with backend.engine() as engine:
        assert (engine.spec, engine.manifest.backend) == (spec, "fake")
        for count in (3, 1, 2):
            expected = fake_outputs(spec, images[:count])["labels"]
            np.testing.assert_array_equal(engine.infer(images[:count])["labels"], expected)
    assert backend.calls == 3
    assert backend.closed


@pytest.mark.parametrize(
    ("images", "batch"),
    [
        (np.zeros((0, 32, 48, 3), np.uint8), 2),
        (np.zeros((1, 32, 47, 3), np.uint8), 1),
        (np.zeros((32, 48, 3), np.uint8), 1),
        (np.zeros((1, 32, 48, 3), np.float32), 1),
    ],
)
def test_images_that_do_not_fit_are_refused(images: np.ndarray, batch: int) -> None:
    backend = FakeBackend(labels_spec(batch=batch))
    with pytest.raises(ShapeError, match=r"the engine takes images \(n, 32, 48, 3\) uint8 BGR, at least one"):
        backend.engine().infer(images)
    assert backend.calls == 0


@pytest.mark.parametrize("spec", [labels_spec, logits_spec, instances_spec])
@pytest.mark.parametrize("batch", [1, 2, 4])
def test_more_images_than_a_batch_holds_take_several(spec: Callable[..., ModelSpec], batch: int) -> None:
    images = np.random.default_rng(0).integers(0, 256, (5, 32, 48, 3), np.uint8)
    backend = FakeBackend(spec(batch=batch))
    found = backend.engine().infer(images)
    expected = fake_outputs(spec(batch=5), images)
    assert backend.calls == -(-5 // batch)
    assert set(found) == set(expected)
    assert all(np.array_equal(found[name], expected[name]) for name in expected)


def test_detections_in_more_images_are_padded_to_the_most_of_any() -> None:
    images = np.zeros((2, 32, 48, 3), np.uint8)
    images[1, 8:16, 8:24] = 255
    found = FakeBackend(instances_spec(None)).engine().infer(images)
    assert found["scores"].tolist() == [[0.0], [np.float32(0.9)]]
    assert found["boxes"].tolist() == [[[0, 0, 0, 0]], [[8, 8, 24, 16]]]
    assert found["masks"].shape[:2] == (2, 1)


def test_outputs_without_an_entry_for_each_image_are_refused() -> None:
    outputs = (OutputSpec("labels", "uint8", (1, 32, 48)),)
    spec = dataclasses.replace(labels_spec(batch=2), outputs=outputs)
    with pytest.raises(EngineError, match="takes 2 images at once, its output labels is"):
        FakeBackend(spec).engine()


def wrong_of_4000(engine: Engine, segmenters: list[Segmenter]) -> int:
    """Run 2,000 frames in a thread for each of two segmenters; count the results that are another frame's."""
    frames = [np.full((16, 16, 3), blue, np.uint8) for blue in (20, 220)]
    together = threading.Barrier(2)

    def work(thread: int) -> int:
        own, label = frames[thread % 2], thread % 2
        together.wait(WAIT_S)
        return sum(not (segmenters[thread](own).labels == label).all() for _ in range(2000))

    with engine, ThreadPoolExecutor(2) as pool:
        return sum(pool.map(work, range(2)))


@pytest.mark.parametrize("batch", [1, 2, 3])
@pytest.mark.parametrize("shared", [True, False])
def test_two_threads_get_their_own_results_in_4000_frames(shared: bool, batch: int) -> None:
    engine = FakeBackend(labels_spec((16, 16), batch=batch)).engine()
    one = Segmenter(engine)
    assert wrong_of_4000(engine, [one, one if shared else Segmenter(engine)]) == 0


@pytest.mark.parametrize("batch", [1, 3])
def test_so_they_do_with_a_real_engine(batch: int, tmp_path: Path) -> None:
    engine = Engine.open(labels_engine(tmp_path / "engine", (16, 16), batch=batch))
    assert wrong_of_4000(engine, [Segmenter(engine), Segmenter(engine)]) == 0


@pytest.mark.parametrize("batch", [2, 4, 7])
@pytest.mark.parametrize("spec", [labels_spec, logits_spec, instances_spec])
def test_threads_fill_batches_and_each_result_is_that_of_batch_1(
    spec: Callable[..., ModelSpec], batch: int
) -> None:
    alone = Segmenter(FakeBackend(spec(resize="letterbox")).engine())
    frames = [frame(number) for number in range(60)]
    expected = [alone(one) for one in frames]
    backend = FakeBackend(spec(resize="letterbox", batch=batch), delay_s=0.001)
    with backend.engine() as engine, ThreadPoolExecutor(5) as pool:
        segmenters = [Segmenter(engine) for _ in range(5)]
        together = threading.Barrier(5)

        def work(thread: int) -> list[object]:
            together.wait(WAIT_S)
            return [segmenters[thread](one) for one in frames[thread::5]]

        results = list(pool.map(work, range(5)))
    for thread, own in enumerate(results):
        assert all(map(same, own, expected[thread::5]))
    assert backend.calls < len(frames)  # some came together


@pytest.mark.parametrize("make", [labels_engine, logits_engine])
def test_a_real_batch_engine_gives_the_results_of_batch_1(make: Callable[..., Path], tmp_path: Path) -> None:
    frames = [frame(number) for number in range(24)]
    with Segmenter.open(make(tmp_path / "one")) as alone:
        expected = [alone(one) for one in frames]
    with Segmenter.open(make(tmp_path / "batch", batch=4)) as segment, ThreadPoolExecutor(3) as pool:
        assert all(map(same, pool.map(segment, frames), expected))


def test_a_batch_of_instances_has_those_of_each_image() -> None:
    spec = instances_spec(3, batch=2)
    images = np.stack([frame(0), np.zeros((32, 48, 3), np.uint8)])
    outputs = FakeBackend(spec).engine().infer(images)
    assert {name: value.shape for name, value in outputs.items()} == {
        "boxes": (2, 3, 4),
        "scores": (2, 3),
        "class_ids": (2, 3),
        "masks": (2, 3, 4, 4),
    }
    assert outputs["scores"][0].tolist() == [pytest.approx(0.9), 0, 0]
    assert not outputs["scores"][1].any()


@pytest.mark.parametrize("batch", [1, 2])
def test_closing_waits_for_what_runs(batch: int) -> None:
    spec = labels_spec(batch=batch)
    running, go_on = threading.Event(), threading.Event()

    def compute(images: np.ndarray) -> dict[str, np.ndarray]:
        running.set()
        assert go_on.wait(WAIT_S)
        return fake_outputs(spec, images)

    backend = FakeBackend(spec, compute)
    engine = backend.engine()
    with ThreadPoolExecutor(2) as pool:
        result = pool.submit(engine.infer, np.zeros((1, 32, 48, 3), np.uint8))
        assert running.wait(WAIT_S)
        closing = [pool.submit(engine.close)]
        while not backend.closed:
            time.sleep(0.001)
        with pytest.raises(EngineError, match="the engine is closed; open it again"):
            engine.infer(np.zeros((1, 32, 48, 3), np.uint8))
        assert not closing[0].done()
        go_on.set()
        assert result.result(WAIT_S)["labels"].shape == (1, 32, 48)
        closing[0].result(WAIT_S)
    engine.close()
