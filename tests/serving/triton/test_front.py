"""What `model.py` does of every task, around networks that compute without a library."""

from __future__ import annotations

from contextlib import closing
from importlib.resources import files
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from edgeseg.errors import EngineError
from edgeseg.runtime import FakeBackend, InstanceResult, Segmenter
from edgeseg.scenes.pictures import picture
from edgeseg.serving.triton.front import to_triton
from edgeseg.serving.triton.stand_in import StandIn, Tensor, TritonError
from edgeseg.spec import ModelSpec
from tests.runtime.specs import instances_spec, labels_spec, logits_spec


def repository(folder: Path, spec: ModelSpec) -> Path:
    """Write what a repository holds of the model that clients call."""
    version = folder / "front" / "1"
    version.mkdir(parents=True)
    own = files("edgeseg.serving.triton").joinpath("assets/model.py")
    (version / "model.py").write_bytes(own.read_bytes())
    (version / "spec.json").write_text(spec.to_json())
    return version.parent


@pytest.mark.parametrize(
    "spec",
    [labels_spec(resize="letterbox"), logits_spec(batch=2), instances_spec(resize="letterbox")],
    ids=["labels", "logits", "instances"],
)
def test_frames_of_any_size_get_the_results_of_the_runtime(spec: ModelSpec, tmp_path: Path) -> None:
    frames = [picture(index, (50 + 20 * index, 90), 3) for index in range(3)]
    network = FakeBackend(spec)
    with closing(StandIn(repository(tmp_path, spec), "network", network.infer)) as served:
        answers = served.execute([{"frame": frame[None]} for frame in frames], [])
    with FakeBackend(spec).engine() as engine:
        results = [Segmenter(engine)(frame) for frame in frames]
    assert network.calls == -(-len(frames) // spec.input.batch)
    for result, answer in zip(results, answers, strict=True):
        tensors = {tensor.name(): tensor.as_numpy()[0] for tensor in answer.output_tensors()}
        names = (
            ("boxes", "scores", "class_ids", "masks") if isinstance(result, InstanceResult) else ("labels",)
        )
        for name in names:
            np.testing.assert_array_equal(tensors[name], getattr(result, name))
    assert not any(isinstance(result, InstanceResult) and not len(result) for result in results)


def test_a_network_that_fails_is_told_to_each_client(tmp_path: Path) -> None:
    def fail(images: Any) -> Any:
        raise EngineError("no memory")

    frame = np.zeros((1, 40, 60, 3), np.uint8)
    folder = repository(tmp_path, labels_spec())
    with closing(StandIn(folder, "network", FakeBackend(labels_spec(), fail).infer)) as served:
        first, second = served.execute([{"frame": frame}, {"frame": frame}], ["labels"])
    assert first.error().message() == second.error().message() == "no memory"
    assert first.error().code() == TritonError.INTERNAL


def test_a_frame_that_cannot_be_segmented_fails_alone(tmp_path: Path) -> None:
    spec = labels_spec(channel_order="stored", dtype="float32", batch=2)
    good = np.zeros((1, 32, 48, 3), np.float32)
    with closing(StandIn(repository(tmp_path, spec), "network", FakeBackend(spec).infer)) as served:
        wrong, right = served.execute([{"frame": good * np.nan}, {"frame": good}], ["labels"])
    assert wrong.error().code() == TritonError.INVALID_ARG
    assert right.error() is None


@pytest.mark.parametrize("shape", [(2, 3, 4), (1, 0, 4), (3, 1), (5, 7, 1)])
def test_tensors_are_handed_over_as_triton_takes_them(shape: tuple[int, ...]) -> None:
    """It counts strides by itself, of axes of one place, too; DLPack knows no read-only arrays."""
    values = np.arange(np.prod(shape), dtype=np.int64).reshape(shape[::-1]).T
    values.flags.writeable = False
    taken = to_triton(SimpleNamespace(Tensor=Tensor), "numbers", values).as_numpy()
    np.testing.assert_array_equal(taken, values)
    expected = [int(np.prod(shape[axis + 1 :])) * 8 for axis in range(len(shape))]
    assert not taken.size or list(taken.strides) == expected
