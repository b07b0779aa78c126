"""The two operators against torchvision's, and against cases worked by hand."""

from __future__ import annotations

import pytest
import torch
from torchvision.ops import MultiScaleRoIAlign, batched_nms
from torchvision.ops import roi_align as torchvision_roi_align

from edgeseg.models.operators import nms, pyramid_level, roi_align

STRIDES = [4, 8, 16, 32]


def random_boxes(count: int, size: float, generator: torch.Generator) -> torch.Tensor:
    corner = torch.rand(count, 2, generator=generator) * size
    extent = torch.exp(torch.rand(count, 2, generator=generator) * 6)  # 1 to 400 pixels
    return torch.cat([corner, corner + extent], dim=1)


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def pyramid(batch: int, channels: int, size: int, generator: torch.Generator) -> list[torch.Tensor]:
    return [
        torch.randn(batch, channels, size // stride, size // stride, generator=generator)
        for stride in STRIDES
    ]


@pytest.mark.parametrize(("output_size", "sampling_ratio"), [(7, 2), (14, 2), (3, 1), (2, 3)])
def test_roi_align_is_torchvisions(output_size: int, sampling_ratio: int, generator: torch.Generator) -> None:
    features = pyramid(2, 5, 256, generator)
    boxes = torch.stack([random_boxes(60, 256, generator) for _ in range(2)])  # many reach outside
    boxes[0, 0] = 0  # padding
    boxes[1, :2] = torch.tensor([[0.0, 0, 224, 224], [-40, -40, 300, 300]])
    reference = MultiScaleRoIAlign(["0", "1", "2", "3"], output_size, sampling_ratio)
    named = {str(index): level for index, level in enumerate(features)}
    expected = reference(named, list(boxes), [(256, 256)])
    actual = roi_align(features, boxes, STRIDES, output_size, sampling_ratio)
    assert actual.shape == (2, 60, 5, output_size, output_size)
    # float32 sums of up to 36 terms of size 1
    torch.testing.assert_close(actual.flatten(0, 1), expected, atol=2e-5, rtol=0)


@pytest.mark.parametrize(("output_size", "sampling_ratio"), [(7, 0), (14, 0), (3, 2)])
def test_aligned_roi_align_is_torchvisions(
    output_size: int, sampling_ratio: int, generator: torch.Generator
) -> None:
    features = torch.randn(2, 5, 40, 48, generator=generator)
    boxes = torch.stack([random_boxes(40, 256, generator) for _ in range(2)])  # many reach outside
    boxes[0, 0] = 0  # padding: no samples, so 0
    boxes[0, 1] = torch.tensor([10.0, 10.0, 10.5, 200.0])  # far thinner than a cell
    actual = roi_align([features], boxes, [8], output_size, sampling_ratio, aligned=True)
    ratio = sampling_ratio or -1  # theirs for as many as there are cells
    expected = torchvision_roi_align(features, list(boxes), output_size, 1 / 8, ratio, aligned=True)
    torch.testing.assert_close(actual.flatten(0, 1), expected, atol=2e-5, rtol=0)


def test_aligned_roi_align_of_a_ramp_is_its_coordinates() -> None:
    # cell value = its column, its centre half a cell further: columns 2 to 6 are -0.5 + 3 and -0.5 + 5
    ramp = torch.arange(16.0).expand(1, 1, 16, 16)
    box = torch.tensor([[[8.0, 8.0, 24.0, 24.0]]])
    bins = roi_align([ramp.contiguous()], box, [4], 2, 0, aligned=True)
    assert bins.tolist() == [[[[[2.5, 4.5], [2.5, 4.5]]]]]


def test_roi_align_of_a_ramp_is_its_coordinates() -> None:
    # cell value = its column; a box from column 2 to 6, two bins, one sample each, at 3 and 5
    ramp = torch.arange(16.0).expand(1, 1, 16, 16)
    box = torch.tensor([[[8.0, 8.0, 24.0, 24.0]]])
    bins = roi_align([ramp.contiguous()], box, [4], 2, 1)
    assert bins.tolist() == [[[[[3.0, 5.0], [3.0, 5.0]]]]]


def test_roi_align_takes_no_boxes(generator: torch.Generator) -> None:
    features = pyramid(1, 3, 64, generator)
    assert roi_align(features, torch.zeros(1, 0, 4), STRIDES, 7, 2).shape == (1, 0, 3, 7, 7)


def test_pyramid_level_follows_equation_1() -> None:
    sides = [0.0, 10.0, 111.9, 112.0, 223.9, 224.0, 448.0, 4000.0]
    boxes = torch.tensor([[0.0, 0.0, side, side] for side in sides])
    assert pyramid_level(boxes, STRIDES).tolist() == [0, 0, 0, 1, 1, 2, 3, 3]
    assert pyramid_level(boxes, [32, 32]).tolist() == [0] * len(sides)


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.7])
@pytest.mark.parametrize("num_classes", [1, 4])
def test_nms_is_torchvisions(threshold: float, num_classes: int, generator: torch.Generator) -> None:
    boxes = torch.stack([random_boxes(300, 120, generator) for _ in range(3)])
    scores = torch.rand(3, 300, generator=generator).sort(dim=1, descending=True).values
    class_ids = torch.randint(num_classes, (3, 300), generator=generator)
    keep = nms(boxes, scores, class_ids, threshold, num_classes)
    for image in range(3):
        expected = batched_nms(boxes[image], scores[image], class_ids[image], threshold)
        assert keep[image].nonzero()[:, 0].tolist() == expected.tolist()


def test_nms_chain_by_hand() -> None:
    # each box overlaps the next by 2/3 and the one after by 1/3: b goes, so c stays, so d goes
    boxes = torch.tensor([[[float(x), 0, x + 5, 1] for x in (0, 1, 2, 3)]])
    scores = torch.tensor([[0.9, 0.8, 0.7, 0.6]])
    one_class = torch.zeros(1, 4, dtype=torch.int64)
    assert nms(boxes, scores, one_class, 0.5, 1).tolist() == [[True, False, True, False]]
    assert nms(boxes, scores, torch.arange(4)[None], 0.5, 4).all()


def test_nms_ties_go_to_the_first_box() -> None:
    boxes = torch.tensor([[[0.0, 0, 10, 10]] * 3])
    keep = nms(boxes, torch.full((1, 3), 0.5), torch.zeros(1, 3, dtype=torch.int64), 0.5, 1)
    assert keep.tolist() == [[True, False, False]]


def test_nms_padding_is_not_kept_and_suppresses_nothing() -> None:
    boxes = torch.tensor([[[0.0, 0, 10, 10], [0, 0, 10, 10], [0, 0, 0, 0], [0, 0, 0, 0]]])
    scores = torch.tensor([[0.0, 0.5, 0.0, -1.0]])
    keep = nms(boxes, scores, torch.zeros(1, 4, dtype=torch.int64), 0.5, 1)
    assert keep.tolist() == [[False, True, False, False]]


def test_nms_of_nothing() -> None:
    empty = torch.zeros(2, 0)
    assert nms(torch.zeros(2, 0, 4), empty, empty.long(), 0.5, 1).shape == (2, 0)


def test_operators_pass_pytorchs_own_checks(generator: torch.Generator) -> None:
    features = pyramid(1, 3, 64, generator)
    boxes = random_boxes(6, 60, generator)[None]
    scores = torch.rand(1, 6, generator=generator)
    ids = torch.zeros(1, 6, dtype=torch.int64)
    torch.library.opcheck(roi_align, (features, boxes, STRIDES, 7, 2))
    torch.library.opcheck(roi_align, (features, boxes, STRIDES, 7, 0), {"aligned": True})
    torch.library.opcheck(nms, (boxes, scores, ids, 0.5, 1))
