"""Whatever an engine computes in, its layers are of the same modules and have the same arithmetic."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from edgeseg.engines.registry import facts_of
from edgeseg.models.network import Network
from edgeseg.spec import Precision
from tests.engines.profiled_engines import flop_by_module, times_of
from tests.export import small_networks
from tests.exported_models import ExportedModels

COMPUTED_IN = {"fp16": {"fp32", "fp16"}, "int8": {"fp32", "int8"}}  # what has no kernel is in fp32


@pytest.fixture(params=["onnxruntime", "openvino"])
def backend(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    pytest.importorskip(facts_of(name).modules[0])
    return name


@pytest.mark.slow
@pytest.mark.parametrize(
    ("network", "precision"),
    [
        (small_networks.deeplab, "int8"),
        (small_networks.unet, "fp16"),
        pytest.param(small_networks.deeplab, "fp16", marks=pytest.mark.minutes),
        pytest.param(small_networks.unet, "int8", marks=pytest.mark.minutes),
    ],
)
def test_modules_and_arithmetic_are_those_of_float32(
    backend: str,
    precision: Precision,
    network: Callable[[], Network],
    exported: ExportedModels,
    tmp_path: Path,
) -> None:
    model = exported(network, output_kind="labels").path
    by_module = flop_by_module(times_of(model, tmp_path / "fp32", backend))
    times = times_of(model, tmp_path / precision, backend, precision)
    assert flop_by_module(times) == by_module
    computed_in = {node.precision for node in times.nodes if node.flop}
    assert computed_in <= COMPUTED_IN[precision]
    assert precision == "fp16" or "int8" in computed_in


@pytest.mark.minutes
def test_a_detector_in_int8_has_the_modules_of_float32(
    backend: str, exported: ExportedModels, tmp_path: Path
) -> None:
    """Also its arithmetic, as far as it does not depend on how many objects are found."""
    model = exported(small_networks.mask_rcnn, lowering="onnx").path
    in_float, in_int8 = (
        flop_by_module(times_of(model, tmp_path / precision, backend, precision))
        for precision in ("fp32", "int8")
    )
    assert in_int8.keys() == in_float.keys()
    fixed = [module for module in in_float if not str(module).startswith("roi_heads.")]
    assert {module: in_int8[module] for module in fixed} == {module: in_float[module] for module in fixed}
