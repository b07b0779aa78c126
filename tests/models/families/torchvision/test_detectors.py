"""torchvision's Mask R-CNN, with tutorials' heads and other backbones, finds the same objects here."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torchvision.models import mobilenet_v3_small
from torchvision.models.detection import MaskRCNN, maskrcnn_resnet50_fpn_v2
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.backbone_utils import mobilenet_backbone, resnet_fpn_backbone
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.mask_rcnn import MaskRCNNHeads, MaskRCNNPredictor
from torchvision.ops import FrozenBatchNorm2d, MultiScaleRoIAlign

from edgeseg.errors import CheckpointError
from edgeseg.models.families.opening import FamilyNetwork, open_source
from edgeseg.models.families.source import read_source
from tests.models.same_detections import assert_same_detections
from tests.models.torchvision_weights import aim, arrange, detect, photo_like

SIZE_HW = (96, 128)
FOUND = 8
VECTOR = 48  # numbers that describe a proposal
FEW = {"rpn_pre_nms_top_n_test": 150, "rpn_post_nms_top_n_test": 60, "box_detections_per_img": 20}
SIZES = {"min_size": SIZE_HW[0], "max_size": SIZE_HW[1]}
SAID = "&".join(f"{name}={value}" for name, value in {**FEW, **SIZES}.items())

Make = Callable[[], MaskRCNN]


class OneMap(nn.Sequential):
    """A classifier's features, by the name that torchvision's detectors give a single map."""

    out_channels = 576

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        return {"0": super().forward(x)}


def _mask_rcnn(backbone: nn.Module, **parameters: Any) -> MaskRCNN:
    """Make a Mask R-CNN of 4 classes whose heads are narrower than usual."""
    return MaskRCNN(
        backbone,
        box_head=TwoMLPHead(256 * 7**2, VECTOR),
        box_predictor=FastRCNNPredictor(VECTOR, 4),
        mask_head=MaskRCNNHeads(256, (32, 48), dilation=1),
        mask_predictor=MaskRCNNPredictor(48, 40, 4),
        **{**FEW, **SIZES, **parameters},
    )


def _resnet(
    name: str,
    norm_layer: Any = nn.BatchNorm2d,
    *,
    returned_layers: list[int] | None = None,
    **parameters: Any,
) -> MaskRCNN:
    backbone = resnet_fpn_backbone(
        backbone_name=name, weights=None, norm_layer=norm_layer, returned_layers=returned_layers
    )
    return _mask_rcnn(backbone, **parameters)


def _mobilenet(name: str) -> MaskRCNN:
    backbone = mobilenet_backbone(backbone_name=name, weights=None, fpn=True, norm_layer=FrozenBatchNorm2d)
    anchors = AnchorGenerator(((32, 64, 128, 256, 512),) * 3, ((0.5, 1.0, 2.0),) * 3)
    return _mask_rcnn(backbone, rpn_anchor_generator=anchors)


def _without_pyramid() -> MaskRCNN:
    """Make the example of torchvision's MaskRCNN: anchors and regions on the last map of a classifier."""
    backbone = OneMap(*mobilenet_v3_small(weights=None).features)
    return MaskRCNN(
        backbone,
        box_head=TwoMLPHead(576 * 7**2, VECTOR),
        box_predictor=FastRCNNPredictor(VECTOR, 4),
        mask_head=MaskRCNNHeads(576, (32,), dilation=1),
        mask_predictor=MaskRCNNPredictor(32, 40, 4),
        rpn_anchor_generator=AnchorGenerator(((32, 64, 128, 256, 512),), ((0.5, 1.0, 2.0),)),
        box_roi_pool=MultiScaleRoIAlign(["0"], 7, 2),
        mask_roi_pool=MultiScaleRoIAlign(["0"], 14, 2),
        **FEW,
        **SIZES,
    )


def _tutorial() -> MaskRCNN:
    """Change both predictors as torchvision's tutorial does."""
    model = _resnet("resnet18")
    boxes = model.roi_heads.box_predictor.cls_score.in_features
    model.roi_heads.box_predictor = FastRCNNPredictor(boxes, 3)
    masks = model.roi_heads.mask_predictor.conv5_mask.in_channels
    model.roi_heads.mask_predictor = MaskRCNNPredictor(masks, 96, 3)
    return model


def _version_2() -> MaskRCNN:
    return maskrcnn_resnet50_fpn_v2(weights=None, weights_backbone=None, num_classes=4, **FEW, **SIZES)


def _trained(make: Make) -> MaskRCNN:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = make()
        if any(isinstance(layer, FrozenBatchNorm2d) for layer in model.modules()):
            for layer in model.modules():
                if isinstance(layer, FrozenBatchNorm2d):
                    layer.running_mean.normal_(std=0.1)
                    layer.running_var.uniform_(0.5, 1.5)
        arrange(model, photo_like(*SIZE_HW))
    aim(model, photo_like(*SIZE_HW), FOUND)
    return model


def _opened(model: nn.Module, tmp_path: Path, name: str = f"torchvision?{SAID}") -> FamilyNetwork:
    torch.save(model.state_dict(), tmp_path / "w.pth")
    return open_source(name, read_source(tmp_path / "w.pth"))


@torch.inference_mode()
def _assert_same(opened: FamilyNetwork, model: MaskRCNN) -> None:
    image, expected = detect(model, photo_like(*SIZE_HW))
    found = opened.network.module(image)
    count = int((found.scores[0] > 0).sum())
    assert count >= FOUND // 2
    assert_same_detections(
        (found.boxes[0, :count], found.scores[0, :count], found.class_ids[0, :count], found.masks[0, :count]),
        (expected["boxes"], expected["scores"], expected["labels"], expected["masks"][:, 0]),
    )


@pytest.mark.parametrize(
    ("make", "architecture", "backbone", "num_classes"),
    [
        (_tutorial, "MaskRCNN", "resnet18", 3),
        (partial(_mobilenet, "mobilenet_v2"), "MaskRCNN", "mobilenet_v2", 4),
        (partial(_mobilenet, "mobilenet_v3_large"), "MaskRCNN", "mobilenet_v3_large", 4),
        (_without_pyramid, "MaskRCNN", "mobilenet_v3_small", 4),
        pytest.param(_version_2, "maskrcnn_resnet50_fpn_v2", "resnet50", 4, marks=pytest.mark.slow, id="v2"),
        pytest.param(
            partial(_resnet, "resnext50_32x4d", FrozenBatchNorm2d),
            "MaskRCNN",
            "resnext50_32x4d",
            4,
            marks=pytest.mark.slow,
            id="resnext50_32x4d",
        ),
    ],
)
def test_the_same_objects_are_found(
    make: Make, architecture: str, backbone: str, num_classes: int, tmp_path: Path
) -> None:
    model = _trained(make)
    opened = _opened(model, tmp_path)
    recognised = opened.recognised
    assert (recognised.architecture, recognised.backbone) == (architecture, backbone)
    assert (recognised.num_classes, recognised.sure) == (num_classes, "certain")
    _assert_same(opened, model)


def test_changed_anchors_are_asked_for_and_then_taken(tmp_path: Path) -> None:
    anchors = AnchorGenerator(((16, 24), (32, 48), (64, 96), (80, 100)), ((1.0, 2.0),) * 4)
    model = _trained(partial(_resnet, "resnet18", returned_layers=[2, 3, 4], rpn_anchor_generator=anchors))
    with pytest.raises(CheckpointError, match=r"4 anchors a cell on 4 levels.*\?anchor_sizes=\(\("):
        _opened(model, tmp_path)
    said = "anchor_sizes=((16,24),(32,48),(64,96),(80,100))&aspect_ratios=(1.0,2.0)"
    opened = _opened(model, tmp_path, f"torchvision:MaskRCNN?{SAID}&{said}")
    assert not any("anchors" in note for note in opened.notes)
    _assert_same(opened, model)


def test_what_is_said_in_torchvisions_words_holds(tmp_path: Path) -> None:
    model = _resnet("resnet18")
    limits = "box_score_thresh=0.3&box_nms_thresh=0.4&box_detections_per_img=7"
    said = f"min_size=480&max_size=640&{limits}&norm_eps=0"
    opened = _opened(model, tmp_path, f"torchvision:MaskRCNN?{said}")
    network, heads = opened.network, opened.network.module.roi_heads
    assert (network.score_threshold, network.max_detections) == (0.3, 7)
    assert (heads.score_threshold, heads.nms_threshold, heads.detections) == (0.3, 0.4, 7)
    assert network.module.backbone.body.bn1.eps == 0
    assert (network.default_size_hw, network.resize) == ((480, 640), "shortest_edge")
    assert network.said["default_size_hw"] == "MODEL's arguments"


def test_a_detector_without_masks_is_named(tmp_path: Path) -> None:
    model = _resnet("resnet18")
    weights = {key: value for key, value in model.state_dict().items() if "mask" not in key}
    torch.save(weights, tmp_path / "w.pth")
    with pytest.raises(CheckpointError, match=r"w\.pth is torchvision's Faster R-CNN, which gives no masks"):
        open_source("auto", read_source(tmp_path / "w.pth"))


def test_what_edgesegs_network_has_not_is_refused(tmp_path: Path) -> None:
    with torch.device("meta"):
        weights = _resnet("resnet18").state_dict()
    weights = {key: torch.zeros(tensor.shape) for key, tensor in weights.items()}
    torch.save({**weights, "backbone.fpn.extra_blocks.p6.weight": torch.zeros(1)}, tmp_path / "w.pth")
    with pytest.raises(CheckpointError, match="extra_blocks"):
        open_source("auto", read_source(tmp_path / "w.pth"))
    del weights["roi_heads.box_head.fc6.weight"]
    torch.save(weights, tmp_path / "w.pth")
    with pytest.raises(CheckpointError, match=r"none of its Mask R-CNN .*fc6"):
        open_source("auto", read_source(tmp_path / "w.pth"))
