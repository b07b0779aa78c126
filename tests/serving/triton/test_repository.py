"""A repository for Triton: its configurations are of Triton's schema, and its `model.py` gives our results.

What runs `model.py` here is the stand-in that builds prove by; a Triton server does in `test_real_server`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("torch")
pytest.importorskip("google.protobuf")
pytest.importorskip("tritonclient.grpc")

from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from edgeseg.engines.request import Request
from edgeseg.errors import EngineError, ParityError, UsageError
from edgeseg.frames.results import SemanticResult
from edgeseg.frames.rle import decode
from edgeseg.graph.portable import PortableModel
from edgeseg.graph.running import open_run
from edgeseg.models.network import Network
from edgeseg.runtime import FakeBackend, Segmenter
from edgeseg.scenes.pictures import picture
from edgeseg.serving import build_repository
from edgeseg.serving.triton.stand_in import StandIn, TritonError
from tests.export import small_networks
from tests.export.small_networks import SIZE_HW
from tests.exported_models import ExportedModels

NETWORKS: dict[str, tuple[Callable[..., Network], tuple[Any, ...], dict[str, Any]]] = {
    "logits of three": (small_networks.unet, (), {"output_kind": "logits", "batch": 3}),
    "objects": (small_networks.mask_rcnn, (), {"lowering": "onnx"}),
}


@pytest.fixture(
    scope="module", params=["logits of three", pytest.param("objects", marks=pytest.mark.minutes)]
)
def model(request: pytest.FixtureRequest, exported: ExportedModels) -> Path:
    network, arguments, settings = NETWORKS[request.param]
    return exported(network, *arguments, **settings).path


@pytest.fixture(scope="module")
def repository(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("triton") / "repository"
    assert build_repository(model, folder, name="streets").parity.passed
    return folder


@pytest.fixture(scope="module")
def segmenter(model: Path) -> Iterator[Segmenter]:
    """Give the runtime's own way around the same computation, in which everything is to be equal."""
    backend = FakeBackend(PortableModel.read(model).spec, open_run(model))
    with backend.engine() as engine:
        yield Segmenter(engine)


def configs(repository: Path) -> dict[str, Any]:
    paths = sorted(repository.glob("*/config.pbtxt"))
    read = [text_format.Parse(path.read_text(), model_config_pb2.ModelConfig()) for path in paths]
    return {path.parent.name: config for path, config in zip(paths, read, strict=True)}


def served(repository: Path) -> StandIn:
    run = open_run(repository / "streets_network" / "1" / "model.onnx")
    return StandIn(repository / "streets", "streets_network", run)


def frames(count: int) -> list[NDArray[np.uint8]]:
    """Draw the pictures that networks are proven by, as frames of several sizes."""
    sizes = [(round(SIZE_HW[1] * scale), round(SIZE_HW[0] * scale)) for scale in (1, 1.5, 2.2)]
    drawn = [picture(index, SIZE_HW, 3) for index in range(count)]
    return [cv2.resize(one, sizes[index % len(sizes)]) for index, one in enumerate(drawn)]


def test_the_configurations_are_of_tritons_schema(repository: Path, segmenter: Segmenter) -> None:
    spec = segmenter.spec
    both = configs(repository)
    assert sorted(both) == ["streets", "streets_network"]
    front, network = both["streets"], both["streets_network"]
    assert (front.name, front.backend, front.max_batch_size) == ("streets", "python", spec.input.batch)
    assert front.HasField("dynamic_batching") == (spec.input.batch > 1)
    assert front.parameters["network"].string_value == network.name == "streets_network"
    assert [(one.name, list(one.dims)) for one in front.input] == [("frame", [-1, -1, 3]), ("picture", [1])]
    assert all(one.optional for one in front.input)
    assert (network.backend, network.max_batch_size) == ("onnxruntime", 0)
    (image,) = network.input
    assert list(image.dims) == [spec.input.batch, *SIZE_HW, 3]
    assert image.data_type == model_config_pb2.TYPE_UINT8
    found = {one.name: [None if size == -1 else size for size in one.dims] for one in network.output}
    assert found == {one.name: list(one.shape) for one in spec.outputs}
    assert [config.version_policy.latest.num_versions for config in both.values()] == [2, 2]


def test_the_network_warms_up_on_golden_frames_that_are_there(repository: Path) -> None:
    network = configs(repository)["streets_network"]
    assert len(network.model_warmup) == 2
    for warmup in network.model_warmup:
        image = warmup.inputs["image"]
        data = (repository / "streets_network" / "warmup" / image.input_data_file).read_bytes()
        assert len(data) == np.prod(list(image.dims))
        assert len(set(data)) > 10  # a picture, not zeros
        assert warmup.batch_size == 1  # as the schema has it for models that do not batch


def test_frames_that_come_together_get_the_results_of_the_runtime(
    repository: Path, segmenter: Segmenter
) -> None:
    sent = frames(4)
    with closing(served(repository)) as server:
        answers = server.execute([{"frame": frame[None]} for frame in sent], [])
    found = [segmenter(frame) for frame in sent]
    for result, answer in zip(found, answers, strict=True):
        assert answer.error() is None
        tensors = {one.name(): one.as_numpy()[0] for one in answer.output_tensors()}
        if isinstance(result, SemanticResult):
            np.testing.assert_array_equal(tensors["labels"], result.labels)
        else:
            for name in ("boxes", "scores", "class_ids", "masks"):
                np.testing.assert_array_equal(tensors[name], getattr(result, name))
            decoded = [decode(json.loads(text)) for text in tensors["masks_rle"]]
            np.testing.assert_array_equal(decoded, result.masks)
    assert all(
        len(np.unique(one.labels)) > 1 if isinstance(one, SemanticResult) else len(one) for one in found
    )


def test_a_picture_is_the_frame_that_it_holds(repository: Path) -> None:
    (frame,) = frames(1)
    png = np.array([[cv2.imencode(".png", frame)[1].tobytes()]], np.object_)
    with closing(served(repository)) as server:
        by_frame, by_picture = server.execute([{"frame": frame[None]}, {"picture": png}], [])
    for one, other in zip(by_frame.output_tensors(), by_picture.output_tensors(), strict=True):
        np.testing.assert_array_equal(one.as_numpy(), other.as_numpy())


def test_a_request_that_is_wrong_fails_alone(repository: Path) -> None:
    (frame,) = frames(1)
    with closing(served(repository)) as server:
        good, grey, broken, none = server.execute(
            [
                {"frame": frame[None]},
                {"frame": frame[None, :, :, 0]},
                {"picture": np.array([[b"no picture"]], np.object_)},
                {},
            ],
            [],
        )
    assert good.error() is None
    assert {one.error().code() for one in (grey, broken, none)} == {TritonError.INVALID_ARG}
    assert "one frame is a batch of 1" in grey.error().message()
    assert "no picture that OpenCV reads" in broken.error().message()
    assert "a request holds one tensor" in none.error().message()


def test_what_was_not_built_here_is_not_replaced(exported: ExportedModels, tmp_path: Path) -> None:
    model = exported(small_networks.unet, output_kind="labels").path
    other = tmp_path / "models" / "somebody-elses"
    other.mkdir(parents=True)
    with pytest.raises(EngineError, match="holds something else than streets's repository"):
        build_repository(model, other.parent, name="streets")
    assert [path.name for path in other.parent.iterdir()] == ["somebody-elses"]
    with pytest.raises(UsageError, match="runs in onnxruntime, not in openvino"):
        build_repository(model, tmp_path / "models2", name="streets", request=Request("openvino"))
    with pytest.raises(UsageError, match=r"no client can call a model '\.\./streets'"):
        build_repository(model, tmp_path / "models2", name="../streets")


def test_what_was_added_to_a_repository_is_not_lost(exported: ExportedModels, tmp_path: Path) -> None:
    model = exported(small_networks.unet, output_kind="labels").path
    folder = tmp_path / "models"
    for _ in range(2):  # what a build wrote may be written anew
        build_repository(model, folder, name="streets")
    added = folder / "streets_network" / "2"
    added.mkdir()
    with pytest.raises(EngineError, match="streets_network holds version 2, too, which would be lost"):
        build_repository(model, folder, name="streets")
    added.rmdir()
    config = folder / "streets" / "config.pbtxt"
    config.write_text(config.read_text() + "# two of them\n")
    with pytest.raises(EngineError, match="was changed since it was built"):
        build_repository(model, folder, name="streets")
    config.unlink()
    build_repository(model, folder, name="streets")
    assert config.exists()


def test_a_device_that_triton_lacks_is_refused(exported: ExportedModels, tmp_path: Path) -> None:
    model = exported(small_networks.unet, output_kind="labels").path
    with pytest.raises(UsageError, match="has no device tensorrt_rtx; it has cpu, openvino, cuda, tensorrt"):
        build_repository(model, tmp_path / "models", name="streets", request=Request(device="tensorrt_rtx"))


def test_a_way_back_that_is_wrong_is_not_written(
    exported: ExportedModels, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The proof is of `model.py`, not of the network alone."""
    from edgeseg.serving import tensors

    model = exported(small_networks.unet, output_kind="labels").path
    upside_down = lambda results: np.stack([result.labels[::-1] for result in results])  # noqa: E731
    monkeypatch.setattr(tensors, "_of_labels", {"labels": upside_down})
    with pytest.raises(ParityError):
        build_repository(model, tmp_path / "repository", name="streets")
    assert not (tmp_path / "repository").exists()
