from __future__ import annotations

import pytest
import torch
from torch import nn
from torchvision.models.detection.backbone_utils import _resnet_fpn_extractor
from torchvision.models.resnet import resnet18 as reference_resnet18
from torchvision.models.resnet import resnet50 as reference_resnet50

from edgeseg.models.fpn import BackboneWithFPN, FeaturePyramid
from edgeseg.models.resnet import resnet18, resnet50

from .reference_weights import randomise_batch_norm

TOLERANCE = 1e-5  # float32 convolutions in the same order


@pytest.mark.parametrize(("ours", "theirs"), [(resnet18, reference_resnet18), (resnet50, reference_resnet50)])
@pytest.mark.parametrize("norm_layer", [None, nn.BatchNorm2d])
@pytest.mark.parametrize("size_hw", [(64, 96), (75, 53)])
def test_torchvision_weights_give_torchvision_pyramid(ours, theirs, norm_layer, size_hw) -> None:
    reference = _resnet_fpn_extractor(theirs(weights=None), 5, norm_layer=norm_layer).eval()
    randomise_batch_norm(reference)
    network = BackboneWithFPN(ours(), norm_layer=norm_layer).eval()
    network.load_state_dict(reference.state_dict(), strict=True)
    image = torch.randn(1, 3, *size_hw)

    with torch.inference_mode():
        levels, expected = network(image), reference(image)

    assert list(expected) == ["0", "1", "2", "3", "pool"]
    for level, wanted in zip(levels, expected.values(), strict=True):
        torch.testing.assert_close(level, wanted, rtol=TOLERANCE, atol=TOLERANCE * float(wanted.abs().max()))


def test_top_down_path_adds_the_coarse_cell_to_each_of_its_four_fine_cells() -> None:
    pyramid = FeaturePyramid([1, 1], out_channels=1)
    for block in pyramid.inner_blocks:
        nn.init.ones_(block[0].weight)
    for block in pyramid.layer_blocks:
        nn.init.dirac_(block[0].weight)
    fine = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
    coarse = torch.tensor([[[[10.0]]]])

    p2, p3, pool = pyramid([fine, coarse])

    assert p2.tolist() == [[[[11.0, 12.0], [13.0, 14.0]]]]
    assert p3.tolist() == pool.tolist() == [[[[10.0]]]]


def test_chosen_levels_and_their_strides() -> None:
    network = BackboneWithFPN(resnet18(width=4), out_channels=6, levels=(1, 3)).eval()

    levels = network(torch.zeros(1, 3, 64, 128))

    assert network.strides == (8, 32, 64)
    assert [tuple(level.shape) for level in levels] == [(1, 6, 8, 16), (1, 6, 2, 4), (1, 6, 1, 2)]
