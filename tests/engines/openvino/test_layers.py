"""OpenVINO's counters say where the time goes."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("openvino")

from edgeseg.engines.openvino.layers import MEANS, Operation, gemm_gflops, node_time, time_of_runs
from edgeseg.nodes.table import GraphNode, NodeTable
from tests.engines.profiled_engines import check_times, check_unet, times_of
from tests.export import small_networks
from tests.exported_models import ExportedModels

HEAVY = ("Convolution", "Deconvolution", "FullyConnected")


def test_the_mean_of_the_runs_alone_follows_from_means_that_hold_the_warm_up() -> None:
    # 50 and 10 in the warm-up, then 4, 5, 6
    assert time_of_runs(30.0, 15.0, 3, warmup=2) == pytest.approx(5.0)
    assert time_of_runs(0.0, 0.0, 3) == 0.0


def test_the_layers_of_a_unet_have_their_modules_and_arithmetic(
    exported: ExportedModels, tmp_path: Path
) -> None:
    times = times_of(
        exported(small_networks.unet, output_kind="labels").path, tmp_path / "engine", "openvino"
    )
    check_unet(times, {"Convolution"})
    assert MEANS in times.notes


def test_a_mask_rcnns_layers_have_the_sizes_of_the_run(exported: ExportedModels, tmp_path: Path) -> None:
    times = times_of(exported(small_networks.mask_rcnn, lowering="onnx").path, tmp_path / "e", "openvino")
    check_times(times)
    heavy = [
        node for node in times.nodes if node.operator in ("Convolution", "Deconvolution", "FullyConnected")
    ]
    assert {node.module for node in heavy} >= {"backbone.body.conv1", "roi_heads.mask_predictor.conv5_mask"}
    assert all(node.module and node.flop for node in heavy)


def test_a_product_is_timed_in_what_float_may_be_computed_in() -> None:
    assert (gemm_gflops("fp32", device="cpu", threads=1) or 0) > 0
    assert gemm_gflops("fp64", device="cpu", threads=1) is None
    assert gemm_gflops("fp32", device="gpu", threads=1) is None


@pytest.mark.parametrize(
    ("name", "operator", "expected"),
    [
        ("conv/WithoutBiases", "Convolution", ("stem.conv", 1000)),
        ("conv/WithoutBiases/DequantizationMultiply", "Convolution", ("stem.conv", 1000)),
        ("conv", "Subgraph", ("stem.conv", 0)),  # adds the bias of what was taken apart
        ("cat.q_1", "Subgraph", ("stem", 0)),  # rounds one part of a concatenation
        ("TopK_37000", "TopK", (None, 0)),
        ("Convolution_5", "Convolution", (None, None)),
    ],
)
def test_names_are_recognised_as_openvino_leaves_them(
    name: str, operator: str, expected: tuple[str | None, int | None]
) -> None:
    conv = GraphNode("conv", "Conv", "stem.conv", ("x",), ("c",), 1000, 10, 5, (8, 3, 3, 3))
    rounded = GraphNode("cat.q", "QuantizeLinear", "stem", ("cat",), ("cat.q",), 0, 10, 0)
    operation = Operation(operator, (name,), "int8", (1, 3, 4, 4), (1, 8, 4, 4), 10)
    node = node_time(name, operation, 1.0, NodeTable((conv, rounded)))
    assert (node.module, node.flop) == expected


def test_attention_in_one_layer_has_the_arithmetic_of_its_products() -> None:
    products = [GraphNode(name, "MatMul", "attention", ("x",), (name,), 100, 10, 0) for name in ("qk", "v")]
    operation = Operation("Subgraph", ("qk", "v"), "fp32", (1, 4, 8, 8), (1, 4, 8, 8), 10)
    assert node_time("qk", operation, 1.0, NodeTable(tuple(products))).flop == 200
