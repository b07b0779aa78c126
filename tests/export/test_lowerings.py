"""Both lowerings give what the operators give in eager PyTorch, and use only the nodes they promise."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime as ort
import pytest
import torch
from torch import Tensor, nn

from edgeseg.export import export as export_network_of
from edgeseg.export.lowering.levels import least_areas
from edgeseg.export.tracing import trace
from edgeseg.models.families.detectron2.family import Detectron2
from edgeseg.models.families.family import Source
from edgeseg.models.operators import nms, pyramid_level, roi_align
from edgeseg.spec import Lowering
from tests.models.families.random_weights import detectron2_name, drawn, layer_shapes

STRIDES = [4, 8, 16, 32]
LOWERINGS: tuple[Lowering, ...] = ("onnx", "dense")
REFUSED_BY_TENSORRT = {"NonMaxSuppression", "NonZero", "RoiAlign", "ScatterElements", "ScatterND"}


class Align(nn.Module):
    """ROI-Align on a pyramid that is part of the graph; input and output suit `trace`."""

    def __init__(
        self,
        features: Sequence[Tensor],
        strides: Sequence[int],
        size: int,
        ratio: int,
        *,
        aligned: bool = False,
    ) -> None:
        super().__init__()
        self.features, self.strides, self.size, self.ratio = list(features), list(strides), size, ratio
        self.aligned = aligned

    def forward(self, image: Tensor) -> tuple[Tensor]:
        return (roi_align(self.features, image, self.strides, self.size, self.ratio, aligned=self.aligned),)


class AlignFound(Align):
    """Only boxes of positive area are pooled, so that their number depends on the data."""

    def forward(self, image: Tensor) -> tuple[Tensor]:
        found = (image[0, :, 2] > image[0, :, 0]).sum().item()
        torch._check(found >= 0)
        torch._check(found <= image.shape[1])
        return super().forward(image[:, :found])


class Suppress(nn.Module):
    """NMS of boxes, scores and classes in one tensor (B, K, 6)."""

    def __init__(self, threshold: float, classes: int) -> None:
        super().__init__()
        self.threshold, self.classes = threshold, classes

    def forward(self, image: Tensor) -> tuple[Tensor]:
        class_ids = image[..., 5].to(torch.int64)
        return (nms(image[..., :4], image[..., 4], class_ids, self.threshold, self.classes),)


def export(module: nn.Module, example: Tensor, lowering: Lowering) -> onnx.ModelProto:
    model = ir.to_proto(trace(module.eval(), example, ["answer"], lowering))
    onnx.checker.check_model(model, full_check=True)
    assert not model.functions
    assert {entry.domain for entry in model.opset_import} == {""}
    if lowering == "dense":
        assert not REFUSED_BY_TENSORRT & operators(model.graph)
    return model


def operators(graph: onnx.GraphProto) -> set[str]:
    names = set()
    for node in graph.node:
        names |= {node.op_type}.union(*(operators(a.g) for a in node.attribute if a.HasField("g")))
    return names


def run(model: onnx.ModelProto, image: Tensor) -> np.ndarray:
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"image": image.numpy()})[0]


def pyramid(batch: int, generator: torch.Generator, *, odd: int = 1) -> list[Tensor]:
    return [
        torch.randn(batch, 3, 128 // stride + odd, 160 // stride, generator=generator) for stride in STRIDES
    ]


def random_boxes(batch: int, count: int, generator: torch.Generator) -> Tensor:
    corner = torch.rand(batch, count, 2, generator=generator) * 150 - 15
    extent = torch.exp(torch.rand(batch, count, 2, generator=generator) * 6)  # 1 to 400 pixels
    return torch.cat([corner, corner + extent], dim=2)


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.mark.parametrize("lowering", LOWERINGS)
@pytest.mark.parametrize("batch", [1, 3])
def test_roi_align_is_the_operators(lowering: Lowering, batch: int, generator: torch.Generator) -> None:
    boxes = random_boxes(batch, 40, generator)  # many reach outside, some are larger than the image
    boxes[:, -3:] = 0  # padding
    boxes[0, 0] = torch.tensor([0.0, 0, 224, 224])  # exactly on the border of two levels
    module = Align(pyramid(batch, generator), STRIDES, 7, 2)
    answer = run(export(module, boxes, lowering), boxes)
    # positions are rounded at 1e-5 cells, features differ by about 1 a cell
    np.testing.assert_allclose(answer, module(boxes)[0].numpy(), atol=5e-5)


@pytest.mark.parametrize("lowering", LOWERINGS)
@pytest.mark.parametrize("ratio", [0, 2])
def test_aligned_roi_align_is_the_operators(
    lowering: Lowering, ratio: int, generator: torch.Generator
) -> None:
    boxes = random_boxes(2, 20, generator)  # from 1 to 400 pixels: up to 15 samples a bin
    boxes[:, -1:] = 0  # padding, which has no samples
    module = Align(pyramid(2, generator), STRIDES, 7, ratio, aligned=True)
    answer = run(export(module, boxes, lowering), boxes)
    np.testing.assert_allclose(answer, module(boxes)[0].numpy(), atol=5e-5)


@pytest.mark.parametrize("lowering", LOWERINGS)
def test_roi_align_on_a_single_level_with_other_sampling(
    lowering: Lowering, generator: torch.Generator
) -> None:
    boxes = random_boxes(1, 10, generator)
    module = Align([torch.randn(1, 2, 9, 13, generator=generator)], [16], 3, 1)
    answer = run(export(module, boxes, lowering), boxes)
    np.testing.assert_allclose(answer, module(boxes)[0].numpy(), atol=5e-5)


@pytest.mark.parametrize("lowering", LOWERINGS)
def test_roi_align_on_two_maps_of_one_stride_reads_the_first(
    lowering: Lowering, generator: torch.Generator
) -> None:
    boxes = torch.tensor([[[0.0, 0, 690, 590], [10, 20, 90, 120]]])  # MobileNet's pyramid; one is very large
    maps = [torch.randn(1, 2, 20, 24, generator=generator) for _ in range(2)]
    module = Align(maps, [32, 32], 3, 2)
    answer = run(export(module, boxes, lowering), boxes)
    np.testing.assert_allclose(answer, module(boxes)[0].numpy(), atol=5e-5)


def test_roi_align_takes_any_number_of_boxes(generator: torch.Generator) -> None:
    boxes = random_boxes(1, 8, generator)
    module = AlignFound(pyramid(1, generator), STRIDES, 2, 2)
    model = export(module, boxes, "onnx")
    for found in (8, 1, 0):
        boxes[:, found:] = 0
        answer = run(model, boxes)
        assert answer.shape == (1, found, 3, 2, 2)
        np.testing.assert_allclose(answer, module(boxes)[0].numpy(), atol=5e-5)


@pytest.mark.parametrize("lowering", LOWERINGS)
@pytest.mark.parametrize(("batch", "classes"), [(1, 4), (3, 1)])
def test_nms_is_the_operators(
    lowering: Lowering, batch: int, classes: int, generator: torch.Generator
) -> None:
    boxes = random_boxes(batch, 120, generator)
    boxes[:, 20:40] = boxes[:, :20]  # duplicates
    scores = torch.rand(batch, 120, generator=generator).sort(dim=1, descending=True).values
    scores[:, 50:60] = scores[:, 50:51]  # ties
    scores[:, 5] = scores[:, 4].nextafter(torch.tensor(1.0))  # out of order by the last digit: place counts
    boxes[:, 5] = boxes[:, 4]
    scores[0, 100:] = 0  # padding, in one image only
    class_ids = torch.randint(classes, (batch, 120), generator=generator)
    packed = torch.cat([boxes, scores[..., None], class_ids[..., None].float()], dim=2)
    module = Suppress(0.5, classes)
    keep = module(packed)[0].numpy()
    assert 0 < keep.sum() < keep.size - 20
    np.testing.assert_array_equal(run(export(module, packed, lowering), packed), keep)


@pytest.mark.parametrize("lowering", LOWERINGS)
def test_nms_chain_by_hand_and_nothing_at_all(lowering: Lowering) -> None:
    # each box overlaps the next by 2/3 and the one after by 1/3: b goes, so c stays, so d goes
    chain = torch.tensor([[[float(x), 0, x + 5, 1, 0.9 - x / 10, 0] for x in range(4)]])
    model = export(Suppress(0.5, 1), chain, lowering)
    assert run(model, chain).tolist() == [[True, False, True, False]]
    assert run(model, torch.zeros_like(chain)).tolist() == [[False] * 4]


def test_least_areas_are_where_the_operator_changes_levels() -> None:
    for index, area in enumerate(least_areas(STRIDES), start=1):
        side = area**0.5
        around = torch.tensor([[0.0, 0, s, s] for s in (side * (1 - 1e-5), side * (1 + 1e-5))])
        assert pyramid_level(around, STRIDES).tolist() == [index - 1, index]


@pytest.mark.parametrize("lowering", LOWERINGS)
def test_detectors_of_other_libraries_are_proven(lowering: Lowering, tmp_path: Path) -> None:
    weights = drawn(layer_shapes(), detectron2_name)
    weights[detectron2_name("stem.weight")] /= 64  # drawn for pixels of deviation 1
    source = Source(Path("model_final.pth"), weights)
    family = Detectron2()
    recognised = family.recognise(source)
    assert recognised is not None
    network = family.make(source, recognised, {"rpn_pre_nms": 50, "rpn_post_nms": 40})
    made = export_network_of(network, tmp_path / "model.onnx", size_hw=(64, 96), lowering=lowering)
    assert made.parity.passed
    assert made.spec.graph.network_channel_order == "bgr"
    assert made.spec.thresholds.pasting == "pixel_centres"
