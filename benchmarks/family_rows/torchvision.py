"""torchvision's Mask R-CNN and semantic networks, as its functions make and its tutorials change them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torchvision.models import detection, segmentation
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.backbone_utils import mobilenet_backbone, resnet_fpn_backbone
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor
from torchvision.models.detection.mask_rcnn import MaskRCNNPredictor
from torchvision.models.segmentation.fcn import FCNHead

from benchmarks.family_rows.case import Case, Written
from benchmarks.family_rows.perturbed import as_tensor, balance, labels_of, perturb
from edgeseg.metrics.object_agreement import Instances
from edgeseg.scenes.scene import generate
from edgeseg.spec import GREY_FROM_RGB
from tests.models.torchvision_weights import aim, arrange

SIZE_HW = (128, 128)
CLASSES = 5  # with background
SCORE = 0.3  # of the objects that are compared
OBJECTS = 20  # above `LEAST`, in the first scene
LEAST = 0.05
INSIDE = 0.5  # a mask's probability
COUNTERS = "num_batches_tracked"  # of batch normalisation; frozen one has none

SIZES = ((16, 24), (32, 48), (64, 96), (96, 120), (128, 160))
RATIOS = (1.0, 2.0)

Make = Callable[[], detection.MaskRCNN]


def _detector(**parameters: Any) -> dict[str, Any]:
    return {"min_size": SIZE_HW[0], "max_size": SIZE_HW[1], "box_score_thresh": LEAST, **parameters}


def _resnet50(classes: int = 91) -> detection.MaskRCNN:
    return detection.maskrcnn_resnet50_fpn(
        weights=None, weights_backbone=None, num_classes=classes, **_detector()
    )


def _version_2() -> detection.MaskRCNN:
    return detection.maskrcnn_resnet50_fpn_v2(
        weights=None, weights_backbone=None, num_classes=CLASSES, **_detector()
    )


def _tutorial() -> detection.MaskRCNN:
    model = _resnet50()
    boxes = model.roi_heads.box_predictor.cls_score.in_features
    model.roi_heads.box_predictor = FastRCNNPredictor(boxes, CLASSES)
    masks = model.roi_heads.mask_predictor.conv5_mask.in_channels
    model.roi_heads.mask_predictor = MaskRCNNPredictor(masks, 128, CLASSES)
    return model


def _on_resnet(name: str, **parameters: Any) -> detection.MaskRCNN:
    backbone = resnet_fpn_backbone(backbone_name=name, weights=None, norm_layer=nn.BatchNorm2d)
    return detection.MaskRCNN(backbone, CLASSES, **_detector(**parameters))


def _on_mobilenet(name: str) -> detection.MaskRCNN:
    backbone = mobilenet_backbone(backbone_name=name, weights=None, fpn=True, norm_layer=nn.BatchNorm2d)
    anchors = AnchorGenerator(((32, 64, 128, 256, 512),) * 3, ((0.5, 1.0, 2.0),) * 3)
    return detection.MaskRCNN(backbone, CLASSES, **_detector(rpn_anchor_generator=anchors))


def _image(frame: NDArray[np.uint8]) -> Tensor:
    """Turn a BGR frame into RGB planes (3, H, W) in 0..1."""
    return torch.from_numpy(np.ascontiguousarray(frame[:, :, ::-1]).transpose(2, 0, 1)).float() / 255


def _write_detector(folder: Path, *, make: Make, frozen: bool) -> Written:
    torch.manual_seed(0)
    model = make()
    scene = _image(generate(0, SIZE_HW).image)
    arrange(model, scene)
    aim(model, scene, OBJECTS)
    weights = model.state_dict()
    kept = {name: tensor for name, tensor in weights.items() if not (frozen and name.endswith(COUNTERS))}
    torch.save(kept, folder / "model.pth")

    def eager(frame: NDArray[np.uint8]) -> Instances:
        with torch.inference_mode():
            found = model([_image(frame)])[0]
        best = found["scores"] > SCORE
        return Instances(
            found["boxes"][best].numpy(),
            found["scores"][best].numpy(),
            found["labels"][best].numpy(),
            (found["masks"][best, 0] > INSIDE).float().numpy(),
        )

    return Written(folder / "model.pth", eager)


def _segmenter(name: str, *, changed: bool = False, aux: bool = False) -> nn.Module:
    make = getattr(segmentation, name)
    auxiliary = {"aux_loss": True} if aux else {}
    network: nn.Module = make(
        weights=None, weights_backbone=None, num_classes=21 if changed else CLASSES, **auxiliary
    )
    if changed:
        network.classifier[4] = nn.Conv2d(network.classifier[4].in_channels, CLASSES, 1)
    if aux:
        network.aux_classifier = FCNHead(network.aux_classifier[0].in_channels, 3)
    return network


def _grey(name: str) -> nn.Module:
    network = _segmenter(name)
    first = network.backbone["0"]
    first[0] = nn.Conv2d(1, first[0].out_channels, 3, stride=2, padding=1, bias=False)
    return network


def _grey_pixels(frame: NDArray[np.uint8]) -> Tensor:
    return (_image(frame) * torch.tensor(GREY_FROM_RGB).reshape(3, 1, 1)).sum(dim=0)[None, None]


def _write_segmenter(
    folder: Path, *, make: Callable[[], nn.Module], pixels: Callable[[NDArray[np.uint8]], Tensor] = as_tensor
) -> Written:
    torch.manual_seed(0)
    network = perturb(make())
    head = network.classifier
    with torch.inference_mode():
        logits = network(pixels(generate(0, SIZE_HW).image))["out"]
    balance(head[-1] if isinstance(head, nn.Sequential) else head.low_classifier, [logits])
    torch.save(network.state_dict(), folder / "model.pth")

    def eager(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
        with torch.inference_mode():
            return labels_of(network(pixels(frame))["out"], SIZE_HW)

    return Written(folder / "model.pth", eager)


DETECTOR = partial(Case, family="torchvision", size_hw=SIZE_HW, score_threshold=SCORE)
SEGMENTER = partial(Case, family="torchvision", size_hw=SIZE_HW)
SAID = f"?anchor_sizes={SIZES}&aspect_ratios={RATIOS}".replace(" ", "")

CASES = (
    *(
        DETECTOR(
            architecture=f"Mask R-CNN {backbone}",
            written=f"state dict, {written}",
            write=partial(_write_detector, make=make, frozen="frozen" in written),
            expected=f"torchvision:{function}",
        )
        for backbone, written, make, function in (
            ("resnet50 FPN", "91 classes, frozen norms", _resnet50, "maskrcnn_resnet50_fpn"),
            ("resnet50 FPN", "tutorial's heads, frozen norms", _tutorial, "maskrcnn_resnet50_fpn"),
            ("resnet50 FPN v2", "5 classes", _version_2, "maskrcnn_resnet50_fpn_v2"),
            ("resnet18 FPN", "5 classes", partial(_on_resnet, "resnet18"), "MaskRCNN"),
            ("resnet34 FPN", "frozen norms", partial(_on_resnet, "resnet34"), "MaskRCNN"),
            ("resnet101 FPN", "frozen norms", partial(_on_resnet, "resnet101"), "MaskRCNN"),
            ("resnext50_32x4d FPN", "5 classes", partial(_on_resnet, "resnext50_32x4d"), "MaskRCNN"),
            ("wide_resnet50_2 FPN", "5 classes", partial(_on_resnet, "wide_resnet50_2"), "MaskRCNN"),
            ("mobilenet_v2 FPN", "frozen norms", partial(_on_mobilenet, "mobilenet_v2"), "MaskRCNN"),
            (
                "mobilenet_v3_large FPN",
                "frozen norms",
                partial(_on_mobilenet, "mobilenet_v3_large"),
                "MaskRCNN",
            ),
        )
    ),
    DETECTOR(
        architecture="Mask R-CNN resnet18 FPN",
        written="state dict, changed anchors",
        write=partial(
            _write_detector,
            make=partial(_on_resnet, "resnet18", rpn_anchor_generator=AnchorGenerator(SIZES, (RATIOS,) * 5)),
            frozen=False,
        ),
        expected="torchvision:MaskRCNN",
        model=f"torchvision:MaskRCNN{SAID}",
    ),
    *(
        SEGMENTER(
            architecture=name,
            written=f"state dict, {written}",
            write=partial(_write_segmenter, make=make),
            expected=f"torchvision:{name}",
        )
        for name, written, make in (
            (
                "deeplabv3_resnet50",
                "changed head, auxiliary of other classes",
                partial(_segmenter, "deeplabv3_resnet50", changed=True, aux=True),
            ),
            ("deeplabv3_resnet101", "5 classes", partial(_segmenter, "deeplabv3_resnet101")),
            ("fcn_resnet50", "changed head", partial(_segmenter, "fcn_resnet50", changed=True)),
            ("fcn_resnet101", "with auxiliary head", partial(_segmenter, "fcn_resnet101", aux=True)),
            ("lraspp_mobilenet_v3_large", "5 classes", partial(_segmenter, "lraspp_mobilenet_v3_large")),
        )
    ),
    SEGMENTER(
        architecture="deeplabv3_mobilenet_v3_large",
        written="state dict, 1 channel",
        write=partial(
            _write_segmenter, make=partial(_grey, "deeplabv3_mobilenet_v3_large"), pixels=_grey_pixels
        ),
        expected="torchvision:deeplabv3_mobilenet_v3_large",
    ),
)
