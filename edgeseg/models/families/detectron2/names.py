"""Turn detectron2's names of weights into those of edgeseg's networks."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from edgeseg.models.families.region_detector import renamed

PYRAMID = {"lateral": "inner_blocks", "output": "layer_blocks"}
NOT_LAYERS = re.compile(r"pixel_(mean|std)|proposal_generator\.anchor_generator\..*")
CELL_ANCHORS = re.compile(r"proposal_generator\.anchor_generator\.cell_anchors\.(\d+)")
PIXEL_MEAN, PIXEL_STD = "pixel_mean", "pixel_std"
SEMANTIC_HEAD = "sem_seg_head."

BODY_RULES = (
    (r"backbone\.bottom_up\.stem\.conv1\.norm\.(\w+)", r"backbone.body.bn1.\1"),
    (r"backbone\.bottom_up\.stem\.conv1\.(\w+)", r"backbone.body.conv1.\1"),
    *(
        rule
        for stage in range(1, 5)
        for rule in (
            (
                rf"backbone\.bottom_up\.res{stage + 1}\.(\d+)\.conv(\d)\.norm\.(\w+)",
                rf"backbone.body.layer{stage}.\1.bn\2.\3",
            ),
            (
                rf"backbone\.bottom_up\.res{stage + 1}\.(\d+)\.conv(\d)\.(\w+)",
                rf"backbone.body.layer{stage}.\1.conv\2.\3",
            ),
            (
                rf"backbone\.bottom_up\.res{stage + 1}\.(\d+)\.shortcut\.norm\.(\w+)",
                rf"backbone.body.layer{stage}.\1.downsample.1.\2",
            ),
            (
                rf"backbone\.bottom_up\.res{stage + 1}\.(\d+)\.shortcut\.(\w+)",
                rf"backbone.body.layer{stage}.\1.downsample.0.\2",
            ),
        )
    ),
    *(
        (rf"backbone\.fpn_{theirs}{level + 2}\.(\w+)", rf"backbone.fpn.{ours}.{level}.0.\1")
        for level in range(4)
        for theirs, ours in PYRAMID.items()
    ),
)
REGION_RULES = (
    (r"proposal_generator\.rpn_head\.conv\.conv(\d+)\.(\w+)", r"rpn.head.conv.\1.0.\2"),
    (r"proposal_generator\.rpn_head\.conv\.(\w+)", r"rpn.head.conv.0.0.\1"),
    (r"proposal_generator\.rpn_head\.objectness_logits\.(\w+)", r"rpn.head.cls_logits.\1"),
    (r"proposal_generator\.rpn_head\.anchor_deltas\.(\w+)", r"rpn.head.bbox_pred.\1"),
    (r"roi_heads\.box_head\.fc1\.(\w+)", r"roi_heads.box_head.fc6.\1"),
    (r"roi_heads\.box_head\.fc2\.(\w+)", r"roi_heads.box_head.fc7.\1"),
    *((rf"roi_heads\.mask_head\.mask_fcn{i + 1}\.(\w+)", rf"roi_heads.mask_head.{i}.0.\1") for i in range(8)),
    (r"roi_heads\.mask_head\.deconv\.(\w+)", r"roi_heads.mask_predictor.conv5_mask.\1"),
    (r"roi_heads\.mask_head\.predictor\.(\w+)", r"roi_heads.mask_predictor.mask_fcn_logits.\1"),
)
SEMANTIC_RULES = (
    *(
        rule
        for level in range(4)
        for step in range(3)
        for rule in (
            # Where steps enlarge, an enlargement stands between two convolutions.
            (rf"sem_seg_head\.p{level + 2}\.{2 * step}\.norm\.(\w+)", rf"branches.{level}.{step}.1.\1"),
            (rf"sem_seg_head\.p{level + 2}\.{2 * step}\.(\w+)", rf"branches.{level}.{step}.0.\1"),
        )
    ),
    (r"sem_seg_head\.predictor\.(\w+)", r"classifier.\1"),
)


def own_names(weights: Mapping[str, Tensor], *, semantic: bool) -> dict[str, Tensor]:
    """Give the weights of one of detectron2's networks the names that they have in edgeseg's.

    Frozen normalisation of early versions has neither mean nor variance: they are 0 and 1.

    Args:
        weights: by detectron2's names; what is no layer, such as stored anchors, is left out.
        semantic: take the semantic head; a panoptic network has both, and its other head is left out.
    """
    rules = (*BODY_RULES, *(SEMANTIC_RULES if semantic else REGION_RULES))
    unwanted = ("proposal_generator.", "roi_heads.") if semantic else (SEMANTIC_HEAD,)
    layers = {
        name: tensor
        for name, tensor in weights.items()
        if not NOT_LAYERS.fullmatch(name) and not name.startswith(unwanted)
    }
    for name, tensor in list(layers.items()):
        if name.startswith("backbone.bottom_up.") and (norm := re.fullmatch(r"(.*\.norm)\.weight", name)):
            layers.setdefault(f"{norm[1]}.running_mean", torch.zeros_like(tensor))
            layers.setdefault(f"{norm[1]}.running_var", torch.ones_like(tensor))
    return renamed(layers, [(re.compile(pattern), new) for pattern, new in rules])
