"""A Triton server on repositories as they are built: its batching, its protocols and its versions.

It has no ONNX Runtime backend: see `real_server`. All else is Triton's own.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("torch")
pytest.importorskip("tritonclient.http")
pytest.importorskip("tritonclient.grpc")

import onnx
import tritonclient.grpc
import tritonclient.http
from tritonclient.utils import InferenceServerException

from edgeseg.frames.results import Result, SemanticResult
from edgeseg.graph.portable import PortableModel
from edgeseg.graph.running import open_run
from edgeseg.runtime import FakeBackend, Segmenter
from edgeseg.scenes.pictures import picture
from edgeseg.serving import build_repository
from tests.export import small_networks
from tests.export.small_networks import SIZE_HW
from tests.exported_models import ExportedModels
from tests.serving.triton.real_server import Addresses, compute_in_python, missing, served

pytestmark = [pytest.mark.minutes, pytest.mark.skipif(bool(missing()), reason=missing())]

SCALES = (1, 1.5, 2.2)  # of frames, to a network's size
CLIENTS, REQUESTS = 12, 36


class Served(NamedTuple):
    """A running server, its repository, and the portable models that it was built from."""

    addresses: Addresses
    repository: Path
    models: dict[str, Path]
    warmed_by: dict[str, bytes]  # by model: images that its network had computed when the server was ready


@pytest.fixture(scope="module")
def server(exported: ExportedModels, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Serve U-Net with a batch of 3, and a Mask R-CNN, from one repository."""
    models = {
        "streets": exported(small_networks.unet, output_kind="logits", batch=3).path,
        "things": exported(small_networks.mask_rcnn, lowering="onnx").path,
    }
    work = tmp_path_factory.mktemp("triton")
    repository = work / "repository"
    for name, model in models.items():
        assert build_repository(model, work / name, name=name).parity.passed
        shutil.copytree(work / name, repository, dirs_exist_ok=True)
        compute_in_python(repository / f"{name}_network")
    with served(repository, work) as addresses:
        asked = {name: (repository / f"{name}_network/1/asked").read_bytes() for name in models}
        yield Served(addresses, repository, models, asked)


@contextmanager
def client_of(addresses: Addresses, protocol: str) -> Iterator[Any]:
    module = getattr(tritonclient, protocol)
    with module.InferenceServerClient(getattr(addresses, protocol)) as client:
        client.module = module
        yield client


def sent(client: Any, **tensors: NDArray[Any]) -> list[Any]:
    made = []
    for name, values in tensors.items():
        tensor = client.module.InferInput(name, values.shape, "BYTES" if values.dtype == object else "UINT8")
        tensor.set_data_from_numpy(values)
        made.append(tensor)
    return made


def asked_for(client: Any, name: str) -> list[Any]:
    names = ["labels"] if name == "streets" else ["boxes", "scores", "class_ids", "masks"]
    return [client.module.InferRequestedOutput(one) for one in names]


def frames(count: int) -> list[NDArray[np.uint8]]:
    sizes = [(round(SIZE_HW[1] * scale), round(SIZE_HW[0] * scale)) for scale in SCALES]
    return [cv2.resize(picture(index, SIZE_HW, 3), sizes[index % len(sizes)]) for index in range(count)]


def results_of(model: Path, sent_frames: list[NDArray[np.uint8]]) -> list[Result]:
    with FakeBackend(PortableModel.read(model).spec, open_run(model)).engine() as engine:
        return [Segmenter(engine)(frame) for frame in sent_frames]


def check_same(answer: Any, result: Result) -> None:
    if isinstance(result, SemanticResult):
        np.testing.assert_array_equal(answer.as_numpy("labels")[0], result.labels)
        return
    for name in ("boxes", "scores", "class_ids", "masks"):
        np.testing.assert_array_equal(answer.as_numpy(name)[0], getattr(result, name), err_msg=name)


@pytest.mark.parametrize("protocol", ["http", "grpc"])
@pytest.mark.parametrize("name", ["streets", "things"])
def test_clients_get_the_results_of_the_runtime(server: Served, name: str, protocol: str) -> None:
    those = frames(4)
    found = results_of(server.models[name], those)
    with client_of(server.addresses, protocol) as client:
        for frame, result in zip(those, found, strict=True):
            answer = client.infer(name, sent(client, frame=frame[None]), outputs=asked_for(client, name))
            check_same(answer, result)
    assert any(not isinstance(one, SemanticResult) or len(np.unique(one.labels)) > 1 for one in found)


def test_a_frame_without_objects_is_an_answer(server: Served) -> None:
    """Arrays of no size go to the server as well; no score is high enough for this model."""
    front = server.repository / "nothing"
    shutil.copytree(server.repository / "things", front)
    config, spec = front / "config.pbtxt", front / "1" / "spec.json"
    config.write_text(config.read_text().replace('name: "things"', 'name: "nothing"'))
    value = json.loads(spec.read_text())
    value["thresholds"]["score"] = 1.0
    spec.write_text(json.dumps(value))
    with client_of(server.addresses, "http") as client:
        client.load_model("nothing")
        answer = client.infer(
            "nothing", sent(client, frame=frames(1)[0][None]), outputs=asked_for(client, "things")
        )
    assert answer.as_numpy("masks").shape == (1, 0, *SIZE_HW)
    assert answer.as_numpy("boxes").shape == (1, 0, 4)


def test_requests_of_several_sizes_share_batches(server: Served) -> None:
    those = frames(REQUESTS)
    found = results_of(server.models["streets"], those)
    with client_of(server.addresses, "grpc") as client:
        before = runs_of(client, "streets_network")

        def ask(frame: NDArray[np.uint8]) -> Any:
            return client.infer("streets", sent(client, frame=frame[None]))

        with ThreadPoolExecutor(CLIENTS) as pool:
            answers = list(pool.map(ask, those))
        runs = runs_of(client, "streets_network") - before
    for answer, result in zip(answers, found, strict=True):
        check_same(answer, result)
    assert REQUESTS / 3 <= runs <= REQUESTS * 2 / 3


def runs_of(client: Any, model: str) -> int:
    (statistics,) = client.get_inference_statistics(model).model_stats
    return int(statistics.execution_count)


@pytest.mark.parametrize("name", ["streets", "things"])
def test_the_network_was_warm_before_the_server_was_ready(server: Served, name: str) -> None:
    folder = server.repository / f"{name}_network" / "warmup"
    golden = b"".join(path.read_bytes() for path in sorted(folder.iterdir()))
    assert server.warmed_by[name] == golden


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_a_request_that_is_wrong_is_the_clients_fault(server: Served, protocol: str) -> None:
    frame = np.zeros((1, 40, 60, 3), np.uint8)
    junk = np.array([[b"no picture"]], np.object_)
    wrong: dict[str, dict[str, NDArray[Any]]] = {
        "(unexpected shape|expected .*3)": {"frame": frame[..., :1]},
        "request has 0 inputs": {},
        "a request holds one tensor|no picture": {"frame": frame, "picture": junk},
        "no picture": {"picture": junk},
    }
    with client_of(server.addresses, protocol) as client:
        for reason, tensors in wrong.items():
            with pytest.raises(InferenceServerException, match=reason) as refused:
                client.infer("streets", sent(client, **tensors))
            assert refused.value.status() in ("400", "StatusCode.INVALID_ARGUMENT"), tensors
        assert client.infer("streets", sent(client, frame=frame)).as_numpy("labels").shape == (1, 40, 60)


def test_each_version_asks_the_network_of_its_own(server: Served, tmp_path: Path) -> None:
    (frame,) = frames(1)
    old = server.models["streets"]
    new = tmp_path / "new.onnx"
    model = onnx.load(old)
    for tensor in model.graph.initializer:
        if "weight" in tensor.name:
            values = -onnx.numpy_helper.to_array(tensor)
            tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))
    onnx.save(model, new)
    (before,), (after,) = results_of(old, [frame]), results_of(new, [frame])
    assert isinstance(before, SemanticResult)
    assert isinstance(after, SemanticResult)
    assert np.mean(before.labels != after.labels) > 0.1
    front, network = server.repository / "streets", server.repository / "streets_network"
    with ExitStack() as stack:
        client = stack.enter_context(client_of(server.addresses, "http"))
        for folder in (front, network):
            stack.callback(client.load_model, folder.name)
            stack.callback(shutil.rmtree, folder / "2", ignore_errors=True)

        def labels(version: str = "") -> NDArray[np.uint8]:
            answer = client.infer("streets", sent(client, frame=frame[None]), model_version=version)
            found: NDArray[np.uint8] = answer.as_numpy("labels")[0]
            return found

        shutil.copytree(network / "1", network / "2")
        shutil.copy(new, network / "2" / "model.onnx")
        client.load_model("streets_network")
        np.testing.assert_array_equal(labels(), before.labels)
        shutil.copytree(front / "1", front / "2")
        client.load_model("streets")
        np.testing.assert_array_equal(labels(), after.labels)
        np.testing.assert_array_equal(labels("1"), before.labels)
