"""A CRF in the graph is proven like any export, and refused where it would not fit or has no meaning."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from edgeseg.engines.preflight import preflight
from edgeseg.errors import ExportError, UsageError
from edgeseg.export.crf import stride_of
from edgeseg.export.exporter import Settings, export_network
from edgeseg.graph.portable import PortableModel
from edgeseg.graph.running import open_run, run_all
from edgeseg.models.in_graph_crf import InGraphCRF
from edgeseg.models.network import Network
from edgeseg.proof.parity import compare
from edgeseg.scenes.pictures import pictures
from edgeseg.spec import CRFSpec
from tests.exported_models import ExportedModels

from .small_networks import SIZE_HW, deeplab, mask_rcnn, unet
from .test_lowerings import operators

CRF = CRFSpec(SIZE_HW[0], appearance_position_px=20.0)


def test_the_stride_is_4_where_memory_allows() -> None:
    assert stride_of((240, 320), 1) == 4
    assert stride_of((512, 512), 1) == 8
    assert stride_of((512, 512), 1, 4) == 4  # 1 GiB, if it is asked for
    assert stride_of((240, 320), 4) == 8


@pytest.mark.parametrize(
    ("size_hw", "batch", "asked", "message"),
    [
        ((240, 320), 1, 16, "stride must be 4 or 8, got 16"),
        (
            (1024, 1024),
            1,
            4,
            r"would take 16 GiB at stride 4 for 1 x 1024x1024, .* use --crf-stride 8 \(1 GiB\)",
        ),
        ((1080, 1920), 1, None, "take 3.9 GiB at stride 8 .* export at --size 912x1616 or less$"),
        ((1024, 1024), 4, None, "export at --size 856x856 or less, or with a smaller --batch"),
    ],
)
def test_an_absurd_kernel_is_refused_with_what_fits(
    size_hw: tuple[int, int], batch: int, asked: int | None, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        stride_of(size_hw, batch, asked)


@pytest.mark.parametrize(("size_hw", "batch"), [((912, 1616), 1), ((856, 856), 4)])
def test_the_size_that_is_said_to_fit_fits(size_hw: tuple[int, int], batch: int) -> None:
    assert stride_of(size_hw, batch) == 8


def test_the_graph_refines_at_the_inputs_resolution(tmp_path: Path) -> None:
    """DeepLab's logits are coarse: they are upsampled, and refined with the image that the graph is given."""
    network, path = deeplab(), tmp_path / "model.onnx"
    settings = Settings("tiny", SIZE_HW, output_kind="logits", batch=2, crf=CRF, crf_stride=8)
    report = export_network(network, path, settings).parity
    assert report.figures["label_agreement"] == 1.0
    assert report.figures["mean_relative_logit_error"] < 1e-5
    portable = PortableModel.read(path)
    model, spec = portable.model, portable.spec
    assert (spec.graph.crf_stride, spec.crf) == (8, CRF)
    assert spec.outputs[0].shape == (2, 5, *SIZE_HW)
    assert not preflight(model, "tensorrt_rtx")
    assert not {"Scatter", "ScatterElements", "ScatterND", "If", "Loop"} & operators(portable.proto.graph)

    images = pictures((5, 6), SIZE_HW)
    plain = tmp_path / "plain.onnx"
    export_network(network, plain, dataclasses.replace(settings, crf=None, crf_stride=None))
    logits = torch.from_numpy(open_run(plain)(images)["logits"])
    full = nn.functional.interpolate(logits, size=SIZE_HW, mode="bilinear")
    expected = InGraphCRF(CRF, SIZE_HW, 8)(full, torch.from_numpy(images)).numpy()
    np.testing.assert_allclose(open_run(path)(images)["logits"], expected, atol=1e-3)


def test_labels_of_a_binary_network(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    settings = Settings("tiny", SIZE_HW, output_kind="labels", crf=CRF)
    report = export_network(unet(num_classes=1), path, settings).parity
    assert report.figures["label_agreement"] == 1.0
    spec = PortableModel.read(path).spec
    assert (spec.graph.crf_stride, spec.class_names) == (4, ("background", "class 1"))
    (outputs,) = run_all(open_run(path), pictures((9,), SIZE_HW), 1)
    assert outputs["labels"].shape == SIZE_HW


@pytest.mark.parametrize(
    ("network", "settings", "message"),
    [
        (mask_rcnn, {"crf": CRF}, "Mask R-CNN gives a mask for each object; export it without --crf"),
        (unet, {"crf_stride": 4}, "no CRF asked for; add --crf"),
        (unet, {"crf": CRF, "crf_stride": 2}, "stride must be 4 or 8, got 2"),
    ],
)
def test_a_crf_without_meaning_is_refused_before_any_work(
    network: Any, settings: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=message):
        export_network(network(), tmp_path / "model.onnx", Settings("tiny", SIZE_HW, **settings))


def test_without_iterations_the_graph_gives_the_enlarged_logits(exported: ExportedModels) -> None:
    """As in the runtime, where 0 iterations leave the labels of the logits."""
    images = pictures((1,), SIZE_HW)
    models = exported(unet, crf=dataclasses.replace(CRF, iterations=0)), exported(unet)
    found, plain = (open_run(model.path)(images)["logits"] for model in models)
    np.testing.assert_allclose(found, plain, atol=1e-5)


def test_logits_that_do_not_cover_the_image_are_not_stretched(tmp_path: Path) -> None:
    network = Network(nn.Conv2d(3, 2, 9), "semantic")
    with pytest.raises(
        ExportError, match=r"logits are 56x88 for an image of 64x96, .* pad inside the network"
    ):
        export_network(network, tmp_path / "model.onnx", Settings("tiny", SIZE_HW, crf=CRF))


def test_one_pixel_between_two_classes_fails_no_proof(exported: ExportedModels) -> None:
    """Its logits may fall to either side: all pixels' mean is compared, and their labels."""
    path = exported(unet, output_kind="logits", crf=CRF).path
    spec = PortableModel.read(path).spec
    reference = run_all(open_run(path), pictures((1,), SIZE_HW), 1)
    moved = reference[0]["logits"].copy()
    moved[:, 3, 4] += np.array([9.0, 0.0, -9.0])
    assert compare(reference, [{"logits": moved}], spec).passed
    plain = dataclasses.replace(spec, graph=dataclasses.replace(spec.graph, crf_stride=None))
    assert not compare(reference, [{"logits": moved}], plain).passed
