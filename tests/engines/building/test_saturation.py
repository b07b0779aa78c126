"""Whether int8 kernels saturate is seen in what they compute, and weights follow it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from edgeseg.engines.backend import Backend, open_backend
from edgeseg.engines.building import conversion
from edgeseg.engines.building.conversion import in_precision
from edgeseg.engines.building.saturation import saturates
from edgeseg.engines.request import Request
from edgeseg.graph.portable import PortableModel
from edgeseg.graph.precision.convert import Calibration
from edgeseg.graph.precision.evaluator import Evaluator
from edgeseg.graph.precision.weights import LARGEST_PAIR
from edgeseg.manifest import Manifest
from edgeseg.scenes.pictures import pictures
from tests.export import small_networks
from tests.exported_models import ExportedModels

INT8 = Request(precision="int8", threads=1)


class Halved:
    """An engine whose sums end where those of two products in 16 bits do: at about half."""

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self._engine = open_backend(folder, manifest)
        self.built_on = self._engine.built_on
        self.close = self._engine.close

    def infer(self, image: np.ndarray, /) -> dict[str, np.ndarray]:
        return {name: 0.51 * array for name, array in self._engine.infer(image).items()}


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
def test_a_kernel_that_saturates_is_found(backend: str) -> None:
    pytest.importorskip(backend)
    request = Request(backend, "int8")
    assert saturates(request, Halved)
    assert saturates(request, open_backend) in (True, False)  # by the processor


def test_what_is_tried_computes_in_int8() -> None:
    operators: set[str] = set()

    def seen(folder: Path, manifest: Manifest) -> Backend:
        operators.update(node.op_type for node in onnx.load(folder / "model.onnx").graph.node)
        return open_backend(folder, manifest)

    saturates(Request("onnxruntime", "int8"), seen)
    assert "QLinearConv" in operators


def test_off_the_processor_nothing_is_tried() -> None:
    assert not saturates(Request("tensorrt", "int8"), Halved)
    assert not saturates(Request("onnxruntime", "int8", "tensorrt"), Halved)


@pytest.mark.parametrize(
    ("found", "losses", "narrow"),
    [
        (False, [0.3], False),
        (True, [0.2, 0.3], True),
        (True, [0.2, 0.2], True),
        (True, [0.3, 0.2], False),
    ],
)
def test_weights_are_narrow_where_kernels_saturate_and_it_helps_and_the_report_says_so(
    found: bool,
    losses: list[float],
    narrow: bool,
    exported: ExportedModels,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Losses are those of narrow weights, and of 8 bits."""
    monkeypatch.setattr(conversion, "saturates", lambda request, open_engine: found)
    told = iter(losses)
    monkeypatch.setattr(Evaluator, "points_lost", lambda evaluator, run: next(told))
    path = exported(small_networks.unet).path
    calibration = Calibration(pictures(range(4), small_networks.SIZE_HW), max_drop=0.5)
    made = in_precision(PortableModel.read(path), INT8, calibration)
    assert made.report is not None
    assert (made.report.narrow is not None) == narrow
    assert (conversion.WIDE in made.report.notes) == (found and not narrow)
    assert made.report.drop_points == min(losses)
    tensors = made.model.proto.graph.initializer
    pairs = [
        np.sort(numpy_helper.to_array(tensor).reshape(tensor.dims[0], -1).astype(int))[:, -2:].sum(axis=1)
        for tensor in tensors
        if tensor.name.endswith(".int8")
    ]
    assert (max(int(pair.max()) for pair in pairs) > LARGEST_PAIR) != narrow
    assert list(told) == []
