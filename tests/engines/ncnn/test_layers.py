"""ncnn, asked for one blob after another, says where the time goes."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from edgeseg.engines.ncnn.layers import gemm_gflops
from tests.engines.profiled_engines import check_unet, times_of
from tests.export import small_networks
from tests.exported_models import ExportedModels

pytestmark = pytest.mark.skipif(find_spec("ncnn") is None, reason="ncnn is not installed")


def test_the_layers_of_a_unet_have_their_modules_and_arithmetic(
    exported: ExportedModels, tmp_path: Path
) -> None:
    times = times_of(exported(small_networks.unet, output_kind="labels").path, tmp_path / "engine", "ncnn")
    check_unet(times, {"Convolution"})
    assert [node.name for node in times.nodes if node.module is None] == []


def test_a_product_is_timed_in_float32_alone() -> None:
    assert (gemm_gflops("fp32", device="cpu", threads=1) or 0) > 0
    assert gemm_gflops("int8", device="cpu", threads=1) is None
