"""The weights of one network are found in a file, under today's names."""

from __future__ import annotations

import torch

from edgeseg.models.families.torchvision.names import own_weights

ONE = torch.zeros(1)


def test_a_prefix_and_old_names_go() -> None:
    stored = (
        "net.roi_heads.mask_predictor.mask_fcn_logits.weight",
        "net.backbone.fpn.inner_blocks.0.weight",
        "net.backbone.fpn.layer_blocks.3.0.bias",
        "net.rpn.head.conv.weight",
        "net.roi_heads.mask_head.mask_fcn4.bias",
        "criterion.weight",
    )
    assert list(own_weights(dict.fromkeys(stored, ONE))) == [
        "roi_heads.mask_predictor.mask_fcn_logits.weight",
        "backbone.fpn.inner_blocks.0.0.weight",
        "backbone.fpn.layer_blocks.3.0.bias",
        "rpn.head.conv.0.0.weight",
        "roi_heads.mask_head.3.0.bias",
    ]


def test_of_several_networks_the_one_without_a_prefix_counts() -> None:
    stem = "backbone.conv1.weight"
    assert own_weights({f"student.{stem}": ONE, f"teacher.{stem}": ONE}) == {}
    assert next(iter(own_weights({stem: ONE, f"teacher.{stem}": ONE}))) == stem
    assert own_weights({"mybackbone.conv1.weight": ONE}) == {}
