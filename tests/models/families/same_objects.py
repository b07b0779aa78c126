"""Compare a Mask R-CNN of the package with the plain one, on one image."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from edgeseg.models.mask_rcnn import MaskRCNN
from tests.models.families.plain_detector import Layer, Rules, detect, pyramid, resnet
from tests.models.families.random_weights import SMALL

LEAST_FOUND = 5  # objects, for a comparison that means something


@torch.inference_mode()
def assert_same_objects(network: MaskRCNN, layer: Layer, rules: Rules, image: Tensor) -> None:
    size_hw = (image.shape[2], image.shape[3])
    padded = torch.nn.functional.pad(image, (0, -size_hw[1] % 32, 0, -size_hw[0] % 32))
    levels = pyramid(layer, resnet(layer, padded, SMALL.blocks, stride_in_1x1=rules.stride_in_1x1))
    expected = detect(layer, levels, size_hw, rules)
    found = network(image)
    for own, plain in zip(network.pyramid(image), levels, strict=True):
        torch.testing.assert_close(own, plain, atol=1e-4, rtol=1e-4)
    count = len(expected.scores)
    assert count >= LEAST_FOUND
    assert int((found.scores[0] > 0).sum()) == count
    assert found.class_ids[0, :count].tolist() == [number + 1 for number in expected.class_ids]
    # float32 against float64, through some dozens of layers
    np.testing.assert_allclose(found.scores[0, :count].numpy(), expected.scores, atol=1e-3)
    np.testing.assert_allclose(found.boxes[0, :count].numpy(), expected.boxes, atol=2e-2)
    np.testing.assert_allclose(found.masks[0, :count].numpy(), expected.masks, atol=2e-3)
