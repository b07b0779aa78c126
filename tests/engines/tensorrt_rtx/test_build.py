"""Engines of TensorRT for RTX are built for real, without a GPU; only running them needs one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgeseg.engines import cuda
from edgeseg.engines.building.build import build_engine
from edgeseg.engines.building.verification import verify_engine
from edgeseg.engines.request import Request
from edgeseg.errors import EngineError, MissingExtraError, NoDeviceError, UsageError
from edgeseg.manifest import read_manifest
from edgeseg.models.network import Network
from edgeseg.runtime import Segmenter
from tests.export.small_networks import deeplab, mask_rcnn, unet
from tests.exported_models import ExportedModels

pytest.importorskip("tensorrt_rtx", reason="TensorRT for RTX is not installed")
RTX = Request("tensorrt_rtx", options={"compute_capabilities": ("8.6",)})


def has_gpu() -> bool:
    try:
        return bool(cuda.device_name())
    except (NoDeviceError, MissingExtraError):
        return False


NO_GPU = pytest.mark.skipif(has_gpu(), reason="says what happens without a GPU")


@pytest.fixture(scope="module")
def model(exported: ExportedModels) -> Path:
    return exported(unet).path


@pytest.fixture(scope="module")
def engine(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("engine") / "unet"
    build_engine(model, folder, request=RTX)
    return folder


@NO_GPU
def test_an_engine_built_without_a_gpu_says_that_only_its_graph_is_proven(engine: Path) -> None:
    manifest = read_manifest(engine, check_files=True)
    assert not manifest.proven
    assert manifest.built_on["compute_capabilities"] == "8.6"
    assert (engine / "engine.plan").stat().st_size > 1000


@NO_GPU
def test_opening_it_without_a_gpu_is_one_clear_line(engine: Path) -> None:
    with pytest.raises(NoDeviceError, match=r"^no NVIDIA GPU can be used here \(.*\); see nvidia-smi"):
        Segmenter.open(engine)
    with pytest.raises(NoDeviceError):
        verify_engine(engine)


def test_it_runs_on_no_cpu(engine: Path) -> None:
    with pytest.raises(UsageError, match="tensorrt_rtx run on cuda, not on cpu"):
        Segmenter.open(engine, device="cpu")


@pytest.mark.parametrize(
    ("network", "settings"),
    [
        (deeplab, {}),
        (deeplab, {"batch": 2}),
        (mask_rcnn, {"lowering": "dense"}),
        (mask_rcnn, {"lowering": "dense", "batch": 3, "max_detections": 20}),
    ],
)
def test_every_network_parses_and_builds(
    network: Callable[[], Network], settings: dict[str, Any], exported: ExportedModels, tmp_path: Path
) -> None:
    path = exported(network, **settings).path
    assert build_engine(path, tmp_path / "engine", request=RTX).parity.passed


def test_a_graph_that_it_cannot_take_is_refused_before_it_is_asked(
    exported: ExportedModels, tmp_path: Path
) -> None:
    path = exported(mask_rcnn).path
    with pytest.raises(
        EngineError, match=r"will refuse Non.*\(models/.*export with --lowering dense; \d+ more"
    ):
        build_engine(path, tmp_path / "engine", request=RTX)
    assert not (tmp_path / "engine").exists()


@pytest.mark.parametrize(
    ("backend", "options", "message"),
    [
        ("tensorrt_rtx", {"compute_capabilities": ("3.0",)}, "no compute capability 3.0; it has 7.5"),
        (
            "tensorrt_rtx",
            {"dla_core": 0},
            "neither a timing cache .*; --dla-core is for tensorrt",
        ),
        (
            "tensorrt_rtx",
            {"version_compatible": True},
            "any GPU .*; --version-compatible is for tensorrt",
        ),
        ("tensorrt", {"compute_capabilities": ("8.6",)}, "--compute-capability is for tensorrt_rtx"),
    ],
)
def test_options_of_the_other_library_are_refused(
    backend: str, options: dict, message: str, model: Path, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=message):
        build_engine(
            model,
            tmp_path / "engine",
            request=Request(backend, options=options),
        )


@pytest.mark.gpu
@pytest.mark.skipif(not has_gpu(), reason="needs a GPU")
@pytest.mark.parametrize("network", [unet, deeplab, mask_rcnn])
def test_an_engine_on_a_gpu_computes_the_same(
    network: Callable[[], Network], exported: ExportedModels, tmp_path: Path
) -> None:
    path = exported(network, lowering="dense").path
    built = build_engine(path, tmp_path / "engine", request=Request("tensorrt_rtx"))
    assert built.manifest.proven
    assert built.parity.passed
    assert verify_engine(tmp_path / "engine", reference=path).passed
