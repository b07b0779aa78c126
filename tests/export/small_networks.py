"""Networks small enough to export in seconds, with random weights that behave like trained ones."""

from __future__ import annotations

import torch
from torch import nn

from edgeseg.models.deeplab import deeplabv3plus_resnet
from edgeseg.models.mask_rcnn import MaskRCNN, mask_rcnn_resnet18_fpn
from edgeseg.models.network import Network
from edgeseg.models.unet import UNet

SIZE_HW = (64, 96)


def randomise_batch_norm(module: nn.Module) -> None:
    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.uniform_(layer.weight, 0.5, 1.0)
            nn.init.normal_(layer.bias, 0.0, 0.2)
            nn.init.normal_(layer.running_mean, 0.0, 0.2)
            nn.init.uniform_(layer.running_var, 0.5, 1.5)


def unet(num_classes: int = 3) -> Network:
    torch.manual_seed(0)
    module = UNet(num_classes, width=4, depth=2).eval()
    randomise_batch_norm(module)
    return Network(module, "semantic")


def deeplab() -> Network:
    torch.manual_seed(0)
    module = deeplabv3plus_resnet(
        "resnet18", num_classes=5, width=8, aspp_channels=8, low_level_channels=4
    ).eval()
    randomise_batch_norm(module)
    return Network(module, "semantic", class_names=("background", "a", "b", "c", "d"))


def mask_rcnn(class_spread: float = 40.0, *, normalised_heads: bool = False) -> Network:
    """Make a Mask R-CNN; with a spread of 1 no class of an object is likelier than 0.5.

    Args:
        normalised_heads: with batch normalisation in its heads, as torchvision's "v2".
    """
    torch.manual_seed(0)
    module: MaskRCNN = mask_rcnn_resnet18_fpn(
        3,
        width=8,
        pyramid_channels=16,
        anchor_sizes=((8,), (16,), (32,), (64,), (96,)),
        rpn_pre_nms=60,
        rpn_post_nms=40,
        representation_size=32,
        mask_channels=(8,),
        mask_hidden_channels=8,
        mask_grid=7,
        head_norm_layer=nn.BatchNorm2d if normalised_heads else None,
    ).eval()
    randomise_batch_norm(module)
    with torch.no_grad():
        module.roi_heads.box_predictor.cls_score.weight *= class_spread
    return Network(module, "instance", class_names=("background", "nut", "bolt"), resize="shortest_edge")
