"""Networks that int8 is hard on compute in int8, and their kernels compute what their graphs mean."""

from __future__ import annotations

from pathlib import Path

import pytest
from torch import nn

from edgeseg.engines.building.build import build_engine
from edgeseg.engines.request import Request
from edgeseg.export.exporter import Settings, export_network
from edgeseg.graph.precision.convert import Calibration
from edgeseg.models.network import Network
from edgeseg.scenes.pictures import pictures
from tests.export.compact_networks import Depthwise, ESPNetLike, WNetLike, drawn

SIZE_HW = (64, 96)
NETWORKS = {
    "espnet": lambda: ESPNetLike(width=15, deep=1),
    "depthwise": lambda: Depthwise(deep=1),
    "wnet": lambda: WNetLike(width=4),
}
LEAST_SHARE = (
    0.7  # of the layers: both libraries compute transposed convolutions in float, ORT last ones, too
)


@pytest.fixture(scope="module", params=sorted(NETWORKS))
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / f"{request.param}.onnx"
    module: nn.Module = drawn(NETWORKS[request.param]())
    export_network(Network(module, "semantic"), path, Settings(request.param, SIZE_HW))
    return path


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
def test_most_layers_compute_in_int8_and_the_engine_computes_what_its_graph_means(
    model: Path, tmp_path: Path, backend: str
) -> None:
    pytest.importorskip(backend)
    made = build_engine(
        model,
        tmp_path / "engine",
        request=Request(backend, "int8", threads=1),
        # random weights say nothing of accuracy; all that the user allows is allowed
        calibration=Calibration(pictures(range(4), SIZE_HW), method="minmax", max_drop=100.0),
    )
    assert made.parity.passed
    assert made.precision is not None
    assert made.precision.built is not None
    assert set(made.precision.built) == set(made.precision.layers)
    in_int8 = list(made.precision.built.values()).count("int8")
    assert in_int8 >= LEAST_SHARE * len(made.precision.layers)
    assert {entry.options["precision"] for entry in made.beside_float} == {"int8", "fp32"}


def test_a_loss_within_the_users_bound_is_refused_by_no_other(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ranges of a thousandth of the values leave little of a network, and the user said that this may be."""
    from edgeseg.graph.precision import convert

    monkeypatch.setattr(convert, "threshold", lambda seen, method: max(seen.peak, 1e-3) / 1000)
    calibration = Calibration(pictures(range(4), SIZE_HW), method="minmax", max_drop=100.0)
    made = build_engine(
        model,
        tmp_path / "engine",
        request=Request("onnxruntime", "int8", threads=1),
        calibration=calibration,
    )
    assert made.precision is not None
    assert made.precision.engine_drop_points is not None
    assert made.precision.engine_drop_points > 5.0
