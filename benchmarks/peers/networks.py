"""Make the PyTorch module of a row as its peers run it, and the network of ours with the same weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torchvision.models.segmentation import deeplabv3_mobilenet_v3_large, deeplabv3_resnet50

from benchmarks.peers.rows import DEMO_HW, Row
from edgeseg.demo.showcase import CHECKPOINTS
from edgeseg.models import zoo
from edgeseg.models.checkpoints.loading import load_weights, open_network
from edgeseg.models.network import Network
from edgeseg.scenes.pictures import picture
from edgeseg.scenes.scene import CLASS_NAMES, generate
from tests.models.torchvision_weights import BUILDERS, arranged
from tools.training.instance_network import trainable_mask_rcnn

THRESHOLD = 0.5  # of detections' scores
VOC_CLASSES = 21
UNET_CLASSES = 2  # of the published weights: car and background
COCO_CLASSES = 91
SCENE_SEED = 500_001  # of those that the demo's networks were not trained on
TORCHVISION = {
    "deeplabv3_resnet50": deeplabv3_resnet50,
    "deeplabv3_mobilenet_v3_large": deeplabv3_mobilenet_v3_large,
}


class Logits(nn.Module):
    """torchvision's segmentation network, its logits alone."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> Tensor:
        """Turn (N, 3, H, W) into (N, C, H, W)."""
        logits: Tensor = self.network(image)["out"]
        return logits


def camera_frame(row: Row) -> NDArray[np.uint8]:
    """Draw the frame (H, W, 3), BGR, that every contender is given."""
    return generate(SCENE_SEED, DEMO_HW).image if row.is_demo else picture(0, row.frame_hw)


def draw_weights(row: Row, path: Path) -> None:
    """Keep the demo's weights, or random ones, which all contenders then have."""
    torch.manual_seed(0)
    if row.is_demo:
        state = _demo(row).module.state_dict()
    elif row.is_detector:
        image = torch.from_numpy(np.ascontiguousarray(camera_frame(row)[..., ::-1])).permute(2, 0, 1) / 255
        model = arranged(
            row.network,
            image,
            detections=row.detections or 0,
            score_threshold=THRESHOLD,
            min_size=row.size_hw[0],
        )
        state = model.state_dict()
    else:
        state = zoo.create(row.network, num_classes=_classes(row)).module.state_dict()
    torch.save(state, path)


def ours(row: Row, weights: Path) -> Network:
    """Make the network that is exported."""
    if row.is_demo:
        return _demo(row)
    network = zoo.create(row.network, num_classes=_classes(row))
    load_weights(network.module, torch.load(weights, weights_only=True))
    return network


def plain(row: Row, weights: Path) -> nn.Module:
    """Make torchvision's own module where it has one, ours otherwise.

    Returns:
        A module in evaluation mode: from a normalised image (1, 3, H, W) to logits (1, C, h, w), or
        torchvision's detector, from a list of images (3, H, W) in 0..1 to its list of dictionaries.
    """
    state = torch.load(weights, weights_only=True)
    module: nn.Module
    if row.network in TORCHVISION:
        network = TORCHVISION[row.network](weights=None, weights_backbone=None, num_classes=VOC_CLASSES)
        network.load_state_dict(state)
        module = Logits(network)
    elif row.network in BUILDERS:
        module = BUILDERS[row.network](
            weights=None, weights_backbone=None, box_score_thresh=THRESHOLD, min_size=row.size_hw[0]
        )
        module.load_state_dict(state)
    elif row.is_detector:
        module = trainable_mask_rcnn(len(CLASS_NAMES))
        module.load_state_dict(state)
        module.roi_heads.score_thresh = THRESHOLD
    else:
        module = ours(row, weights).module
    return module.eval()


def _demo(row: Row) -> Network:
    network, _ = open_network(row.network, CHECKPOINTS / f"{row.network.removeprefix('demo_')}.safetensors")
    return network


def _classes(row: Row) -> int:
    if row.is_detector:
        return COCO_CLASSES
    return UNET_CLASSES if row.network == "unet" else VOC_CLASSES
