"""Turn MMDetection's names of weights into those of edgeseg's Mask R-CNN."""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

from edgeseg.models.families.region_detector import renamed

RULES = (
    (r"backbone\.(.+)", r"backbone.body.\1"),
    (r"neck\.lateral_convs\.(\d+)\.conv\.(\w+)", r"backbone.fpn.inner_blocks.\1.0.\2"),
    (r"neck\.fpn_convs\.(\d+)\.conv\.(\w+)", r"backbone.fpn.layer_blocks.\1.0.\2"),
    (r"rpn_head\.rpn_conv\.(\w+)", r"rpn.head.conv.0.0.\1"),
    (r"rpn_head\.rpn_cls\.(\w+)", r"rpn.head.cls_logits.\1"),
    (r"rpn_head\.rpn_reg\.(\w+)", r"rpn.head.bbox_pred.\1"),
    (r"roi_head\.bbox_head\.shared_fcs\.0\.(\w+)", r"roi_heads.box_head.fc6.\1"),
    (r"roi_head\.bbox_head\.shared_fcs\.1\.(\w+)", r"roi_heads.box_head.fc7.\1"),
    (r"roi_head\.bbox_head\.fc_cls\.(\w+)", r"roi_heads.box_predictor.cls_score.\1"),
    (r"roi_head\.bbox_head\.fc_reg\.(\w+)", r"roi_heads.box_predictor.bbox_pred.\1"),
    (r"roi_head\.mask_head\.convs\.(\d+)\.conv\.(\w+)", r"roi_heads.mask_head.\1.0.\2"),
    (r"roi_head\.mask_head\.upsample\.(\w+)", r"roi_heads.mask_predictor.conv5_mask.\1"),
    (r"roi_head\.mask_head\.conv_logits\.(\w+)", r"roi_heads.mask_predictor.mask_fcn_logits.\1"),
)


def own_names(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Give the weights of MMDetection's Mask R-CNN the names that they have in edgeseg's."""
    return renamed(weights, [(re.compile(pattern), new) for pattern, new in RULES])
