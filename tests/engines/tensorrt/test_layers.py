"""TensorRT's profiler says where the time goes: a fake of it, and the real one as far as it goes."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from edgeseg.engines.node_times import profile_nodes
from edgeseg.engines.tensorrt.layers import NO_GRAPH, _built, _profiler, copy_gbs, gemm_gflops
from edgeseg.manifest import read_manifest, seal
from edgeseg.nodes.table import NODES_NAME, GraphNode, NodeTable

from .fake_cuda import FakeCuda
from .fake_tensorrt import write_fake_engine

TABLE = NodeTable(
    (
        GraphNode("node_conv", "Conv", "stem.conv", ("x",), ("c",), 8640, 440, 432),
        GraphNode("node_relu", "Relu", "stem.relu", ("c",), ("y",), 0, 640, 0),
    )
)
DARK = np.zeros((1, 4, 6, 3), np.uint8)
RUNS = 3


@pytest.mark.parametrize("backend", ["tensorrt", "tensorrt_rtx"])
def test_layers_have_times_modules_and_work(
    backend: str, gpu: FakeCuda, tmp_path: Path, own_cache: Path
) -> None:
    folder = write_fake_engine(tmp_path / "engine", (4, 6), backend=backend)
    (folder / NODES_NAME).write_text(TABLE.to_json())
    manifest = read_manifest(folder)
    manifest = seal(folder, dataclasses.replace(manifest, files={**manifest.files, NODES_NAME: ""}))
    told = profile_nodes(folder, manifest, [DARK], runs=RUNS)
    conv, reformat, unheard_of = told.nodes
    assert (conv.name, conv.operator, conv.module) == ("conv + relu", "CaskConvolution", "stem.conv")
    assert conv.time_ms == pytest.approx(0.75)  # TensorRT reports a layer that it runs in parts twice
    assert (conv.precision, conv.flop) == ("fp16", 8640)
    assert conv.moved_bytes == 2 * (3 * 4 * 5) + 4 * (8 * 4 * 5) + 432
    assert (reformat.module, reformat.flop, reformat.moved_bytes) == (None, 0, None)
    assert (unheard_of.time_ms, unheard_of.flop) == (pytest.approx(0.0625), None)
    assert told.run_ms > 0
    assert told.notes == (NO_GRAPH,)


def test_nothing_is_held_after_a_profile(gpu: FakeCuda, tmp_path: Path) -> None:
    folder = write_fake_engine(tmp_path / "engine", (4, 6))
    profile_nodes(folder, read_manifest(folder), [DARK], runs=1)
    assert set(gpu.held.values()) <= {"context"}  # which Python frees


def test_a_copy_within_the_gpu_has_a_rate_and_gives_its_memory_back(gpu: FakeCuda) -> None:
    assert copy_gbs("cuda", size=1 << 12) > 0
    assert gpu.held == {}


def test_a_precision_without_a_product_is_not_timed(gpu: FakeCuda) -> None:
    assert gemm_gflops("bf16", device="cuda", threads=1) is None


def test_the_real_library_takes_the_profiler() -> None:
    library = pytest.importorskip("tensorrt_rtx", reason="TensorRT for RTX is not installed")
    profiler = _profiler(library)
    profiler.runs.append({})
    profiler.report_layer_time("conv", 0.5)
    profiler.report_layer_time("conv", 0.25)
    assert profiler.runs == [{"conv": 0.75}]


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_products_of_the_real_library_have_a_rate(precision: str) -> None:
    library = pytest.importorskip("tensorrt_rtx", reason="TensorRT for RTX is not installed")
    from edgeseg.engines.cuda import device_name
    from edgeseg.errors import EdgesegError

    try:
        device_name()
    except EdgesegError as missing:
        pytest.skip(str(missing))
    assert _built(library, b"") is None
    assert (gemm_gflops(precision, device="cuda", threads=1, backend="tensorrt_rtx") or 0) > 0
    assert copy_gbs("cuda") > 0
