"""Mask R-CNN against torchvision's own, and what its batched form promises."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torchvision.models.detection import MaskRCNN as TorchvisionMaskRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.backbone_utils import mobilenet_backbone, resnet_fpn_backbone
from torchvision.ops.misc import FrozenBatchNorm2d

from edgeseg.errors import ShapeError, UsageError
from edgeseg.models.mask_rcnn import (
    ASPECT_RATIOS,
    MOBILENET_ANCHOR_SIZES,
    Detections,
    MaskRCNN,
    mask_rcnn_mobilenet_v3_large_fpn,
    mask_rcnn_resnet18_fpn,
    mask_rcnn_resnet50_fpn,
    mask_rcnn_resnet50_fpn_v2,
)
from tests.models.same_detections import Image, assert_same_detections
from tests.models.torchvision_weights import Scored, aim, arrange, arranged, detect, photo_like, scored

OURS: dict[str, Callable[..., MaskRCNN]] = {
    "maskrcnn_resnet50_fpn": mask_rcnn_resnet50_fpn,
    "maskrcnn_resnet50_fpn_v2": mask_rcnn_resnet50_fpn_v2,
}
SHORT_SIDE = 192  # pixels; a quarter of torchvision's default, for speed
PHOTO = photo_like(480, 640)


def found(detections: Detections, image: int = 0) -> Image:
    """One image's detections without the padding, which must be zeros."""
    boxes, scores, class_ids, masks = (value[image] for value in detections)
    count = int((scores > 0).sum())
    assert not boxes[count:].any()
    assert not scores[count:].any()
    assert not class_ids[count:].any()
    return boxes[:count], scores[:count], class_ids[:count], masks[:count]


def assert_agree(ours: MaskRCNN, theirs: TorchvisionMaskRCNN) -> int:
    """Load their weights, compare on the photo, and return the number of detections."""
    ours.load_state_dict(theirs.state_dict(), strict=True)
    image, expected = detect(theirs, PHOTO)
    with torch.no_grad():
        actual = ours.eval()(image)
    assert_same_detections(
        found(actual),
        (expected["boxes"], expected["scores"], expected["labels"], expected["masks"][:, 0]),
    )
    return len(expected["scores"])


CASES = [  # torchvision's network, detections wanted, score threshold
    ("maskrcnn_resnet50_fpn", 0, 0.05),
    ("maskrcnn_resnet50_fpn", 5, 0.05),
    ("maskrcnn_resnet50_fpn", 100, 0.05),
    ("maskrcnn_resnet50_fpn", 300, 0.05),  # of which the best 100 are reported
    ("maskrcnn_resnet50_fpn", 5, 0.5),
    ("maskrcnn_resnet50_fpn", 100, 0.5),
    ("maskrcnn_resnet50_fpn_v2", 0, 0.05),
    ("maskrcnn_resnet50_fpn_v2", 5, 0.05),
    ("maskrcnn_resnet50_fpn_v2", 100, 0.05),
]


@cache
def torchvision_network(name: str) -> tuple[TorchvisionMaskRCNN, Scored]:
    model = arranged(name, PHOTO, detections=0, min_size=SHORT_SIDE)
    return model, scored(model, PHOTO)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "wanted", "score_threshold"), CASES)
def test_detections_are_torchvisions(name: str, wanted: int, score_threshold: float) -> None:
    theirs, seen = torchvision_network(name)
    theirs.roi_heads.score_thresh = score_threshold
    aim(theirs, PHOTO, wanted, seen=seen)
    count = assert_agree(OURS[name](score_threshold=score_threshold), theirs)
    assert count == min(wanted, 100)


@pytest.mark.slow
def test_detections_are_torchvisions_at_its_default_size() -> None:
    theirs = arranged("maskrcnn_resnet50_fpn", PHOTO, detections=0, min_size=SHORT_SIDE)
    theirs.transform.min_size = (800,)
    aim(theirs, PHOTO, 100)
    assert assert_agree(mask_rcnn_resnet50_fpn(), theirs) == 100


def test_weights_with_frozen_batch_norm_and_another_backbone() -> None:
    torch.manual_seed(0)
    backbone = resnet_fpn_backbone(backbone_name="resnet18", weights=None)
    sizes = ((16,), (32,), (64,), (128,), (256,))
    theirs = TorchvisionMaskRCNN(
        backbone,
        num_classes=5,
        rpn_anchor_generator=AnchorGenerator(sizes, (ASPECT_RATIOS,) * 5),
        rpn_pre_nms_top_n_test=200,
        rpn_post_nms_top_n_test=100,
        box_detections_per_img=20,
        min_size=SHORT_SIDE,
    )
    for norm in theirs.modules():
        if isinstance(norm, FrozenBatchNorm2d):
            norm.eps = 0.0  # as torchvision sets it for its published weights
            norm.running_var.uniform_(1e-6, 1e-4)
            norm.weight.uniform_(1e-3, 1e-2)
    arrange(theirs, PHOTO)
    aim(theirs, PHOTO, 30)
    ours = mask_rcnn_resnet18_fpn(
        5, norm_eps=0.0, anchor_sizes=sizes, rpn_pre_nms=200, rpn_post_nms=100, detections_per_image=20
    )
    assert assert_agree(ours, theirs) == 20


def test_mobilenet_pyramid() -> None:
    torch.manual_seed(0)
    backbone = mobilenet_backbone(
        backbone_name="mobilenet_v3_large", weights=None, fpn=True, norm_layer=nn.BatchNorm2d
    )
    theirs = TorchvisionMaskRCNN(
        backbone,
        num_classes=91,
        rpn_anchor_generator=AnchorGenerator(MOBILENET_ANCHOR_SIZES, (ASPECT_RATIOS,) * 3),
        rpn_score_thresh=0.05,
        min_size=SHORT_SIDE,
    )
    arrange(theirs, PHOTO)
    aim(theirs, PHOTO, 40)
    assert assert_agree(mask_rcnn_mobilenet_v3_large_fpn(), theirs) == 40


SMALL: dict[str, Any] = {
    "width": 16,
    "pyramid_channels": 32,
    "representation_size": 64,
    "mask_channels": (32,),
    "mask_hidden_channels": 32,
    "rpn_pre_nms": 100,
    "rpn_post_nms": 50,
    "detections_per_image": 20,
}


def small(**parameters: Any) -> MaskRCNN:
    """A network of random weights in milliseconds; its four classes score about 0.25 each."""
    torch.manual_seed(0)
    return mask_rcnn_resnet18_fpn(4, **{**SMALL, **parameters}).eval()


def images(count: int, height: int = 120, width: int = 150) -> Tensor:
    return torch.stack([photo_like(height, width, seed=seed) for seed in range(count)]) * 4 - 2


def median_score(network: MaskRCNN, image: Tensor) -> float:
    return float(network(image).scores.median())


@torch.no_grad()
def test_a_batch_gives_what_single_images_give() -> None:
    network, batch = small(), images(3)
    together = network(batch)
    assert together.boxes.shape == (3, 20, 4)
    assert together.masks.shape == (3, 20, 28, 28)
    for index in range(3):
        assert_same_detections(found(together, index), found(network(batch[index : index + 1])))


@torch.no_grad()
def test_without_padding_only_real_detections_remain() -> None:
    image = images(1)
    threshold = median_score(small(), image)
    padded = small(score_threshold=threshold)(image)
    compact = small(score_threshold=threshold, padded=False)(image)
    real = found(padded)
    assert 0 < len(real[1]) < 20
    assert compact.masks.shape == (1, len(real[1]), 28, 28)
    assert_same_detections(found(compact), real)


@torch.no_grad()
def test_nothing_found_is_not_an_error() -> None:
    nothing = small(score_threshold=0.99, padded=False)(images(1))
    assert [tuple(value.shape) for value in nothing] == [(1, 0, 4), (1, 0), (1, 0), (1, 0, 28, 28)]


@torch.no_grad()
def test_boxes_stay_inside_the_image_not_the_padded_one() -> None:
    boxes = small()(images(1, 65, 97)).boxes  # padded to 96 x 128
    assert boxes.min() >= 0
    assert boxes[..., 2].max() == 97
    assert boxes[..., 3].max() == 65


@torch.no_grad()
def test_more_candidates_than_needed_change_nothing() -> None:
    image = images(1)
    enough = small(detection_candidates=100, detections_per_image=5)(image)
    every = small(detection_candidates=10**6, detections_per_image=5)(image)
    assert (enough.scores > 0).all()  # so that the documented guarantee holds
    assert_same_detections(found(enough), found(every))


@pytest.mark.parametrize("padded", [True, False])
def test_the_exported_program_computes_the_same(padded: bool) -> None:
    first, second = images(2).split(1)
    with torch.no_grad():
        network = small(padded=padded, score_threshold=median_score(small(), first))
        program = torch.export.export(network, (first,)).module()
        for image in (first, second):
            assert_same_detections(found(program(image)), found(network(image)))


def test_without_padding_a_batch_is_refused() -> None:
    with pytest.raises(ShapeError, match=r"batch of 2.*padded=True"):
        small(padded=False)(images(2))


@pytest.mark.parametrize("sizes", [((32,),) * 4, ((32,), (64,), (128,), (256,), (256, 512))])
def test_anchor_sizes_must_fit_the_pyramid(sizes: tuple[tuple[int, ...], ...]) -> None:
    with pytest.raises(UsageError, match="5 equally long tuples"):
        small(anchor_sizes=sizes)
