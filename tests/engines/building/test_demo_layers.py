"""Nearly all time of the demo's networks is of a module that the profile names, in each library."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgeseg.engines.registry import facts_of
from edgeseg.export.exporter import Settings, export_network
from edgeseg.models.checkpoints.loading import open_network
from edgeseg.scenes import scene as scenes
from tests.engines.profiled_engines import times_of

CHECKPOINTS = Path(scenes.__file__).parents[1] / "demo" / "checkpoints"
LEAST_SHARE = 0.9


@pytest.fixture(scope="module", params=["unet", "maskrcnn"])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    name = f"demo_{request.param}"
    path = tmp_path_factory.mktemp("demo") / f"{name}.onnx"
    network, _ = open_network(name, CHECKPOINTS / f"{request.param}.safetensors")
    export_network(network, path, Settings(name=name, size_hw=scenes.DEFAULT_SIZE_HW))
    return path


@pytest.mark.minutes
@pytest.mark.parametrize("backend", ["onnxruntime", "openvino", "mnn", "ncnn"])
def test_nine_tenths_of_the_time_have_a_module(backend: str, model: Path, tmp_path: Path) -> None:
    pytest.importorskip(facts_of(backend).modules[0])
    if backend in ("mnn", "ncnn") and "maskrcnn" in model.name:
        pytest.skip("MNN tells nothing of networks whose sizes depend on the data, and ncnn runs none")
    nodes = times_of(model, tmp_path / "engine", backend).nodes
    whole_ms = sum(node.time_ms for node in nodes)
    assert sum(node.time_ms for node in nodes if node.module) / whole_ms >= LEAST_SHARE
