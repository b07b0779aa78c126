"""OpenVINO's counters say where the time goes."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("openvino")

from edgeseg.engines.openvino.layers import MEANS, gemm_gflops, time_of_runs
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
