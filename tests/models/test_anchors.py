"""Anchor boxes by hand and against torchvision's generator."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.image_list import ImageList

from edgeseg.models.anchors import cell_anchors, grid_anchors, pyramid_anchors

RATIOS = (0.5, 1.0, 2.0)


def test_cell_anchors_by_hand() -> None:
    # 32 / sqrt(0.5) = 45.25 wide and 32 * sqrt(0.5) = 22.63 high, halved and rounded: 23 and 11
    anchors = cell_anchors((32,), RATIOS)
    assert anchors.tolist() == [[-23, -11, 23, 11], [-16, -16, 16, 16], [-11, -23, 11, 23]]


def test_cell_anchors_that_are_not_rounded_have_their_exact_area() -> None:
    anchors = cell_anchors((32,), (0.5,), whole_pixels=False)
    # 32 / sqrt(0.5) = 32 * sqrt(2) wide, 32 / sqrt(2) high
    np.testing.assert_allclose(anchors, [[-22.627417, -11.313708, 22.627417, 11.313708]], rtol=1e-6)


def test_grid_anchors_run_along_rows_within_each_shape() -> None:
    cell = np.array([[-1, -1, 1, 1], [-2, -2, 2, 2]], np.float32)
    anchors = grid_anchors(cell, (2, 3), (10, 20))
    assert anchors[:3, 0].tolist() == [-1, 19, 39]
    assert anchors[3].tolist() == [-1, 9, 1, 11]
    assert anchors[6].tolist() == [-2, -2, 2, 2]


@pytest.mark.parametrize("sizes", [((32,), (64,), (128,)), ((32, 64, 128, 256, 512),) * 3])
def test_pyramid_anchors_are_torchvisions(sizes: tuple[tuple[float, ...], ...]) -> None:
    image_hw = (416, 544)
    grids = ((104, 136), (52, 68), (7, 9))
    strides = ((4, 4), (8, 8), (59, 60))  # pixels over cells, rounded down: not 64
    features = [torch.zeros(1, 1, *grid) for grid in grids]
    generator = AnchorGenerator(sizes, (RATIOS,) * len(sizes))
    expected = generator(ImageList(torch.zeros(1, 3, *image_hw), [image_hw]), features)[0].numpy()
    actual = [
        table.reshape(-1, height * width, 4).transpose(1, 0, 2).reshape(-1, 4)  # theirs vary shapes fastest
        for table, (height, width) in zip(pyramid_anchors(sizes, RATIOS, grids, strides), grids, strict=True)
    ]
    np.testing.assert_array_equal(np.concatenate(actual), expected)
