"""Box arithmetic by hand and against torchvision's coder."""

from __future__ import annotations

import math

import torch
from torchvision.models.detection._utils import BoxCoder
from torchvision.ops import clip_boxes_to_image

from edgeseg.models.boxes import clip, decode, has_sides, take


def test_decode_by_hand() -> None:
    anchor = torch.tensor([10.0, 20.0, 30.0, 60.0])  # 20 x 40 around (20, 40)
    deltas = torch.tensor([0.5, -0.25, math.log(2), 0.0])  # 10 right, 10 up, twice as wide
    torch.testing.assert_close(decode(deltas, anchor), torch.tensor([10.0, 10.0, 50.0, 50.0]))


def test_decode_is_torchvisions_even_for_wild_deltas() -> None:
    generator = torch.Generator().manual_seed(0)
    anchors = torch.rand(50, 4, generator=generator) * 100
    anchors[:, 2:] += anchors[:, :2]
    deltas = torch.randn(50, 4, generator=generator) * 5  # many over the limit of log(1000 / 16)
    expected = BoxCoder((1.0, 1.0, 1.0, 1.0)).decode_single(deltas, anchors)
    torch.testing.assert_close(decode(deltas, anchors), expected)


def test_clip_is_torchvisions() -> None:
    boxes = torch.randn(50, 4, generator=torch.Generator().manual_seed(0)) * 100
    assert torch.equal(clip(boxes, (60, 40)), clip_boxes_to_image(boxes, (60, 40)))


def test_has_sides_needs_both() -> None:
    boxes = torch.tensor([[0.0, 0, 2, 2], [0, 0, 1, 2], [0, 0, 2, 0.5]])
    assert has_sides(boxes, 1.0).tolist() == [True, True, False]


def test_take_picks_each_images_own_rows() -> None:
    table = torch.arange(24.0).reshape(2, 3, 4)
    picked = take(table, torch.tensor([[2, 0], [1, 1]]))
    assert picked[..., 0].tolist() == [[8.0, 0.0], [16.0, 16.0]]
