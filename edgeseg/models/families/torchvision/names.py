"""Find the weights of torchvision's networks among those of a file, and spell old ones as today's."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from edgeseg.models.checkpoints.weight_names import today_spelled

BOX_LOGITS = "roi_heads.box_predictor.cls_score.weight"
MASK_LOGITS = "roi_heads.mask_predictor.mask_fcn_logits.weight"
RESNET_STEM, MOBILENET_STEM = "backbone.conv1.weight", "backbone.0.0.weight"
LANDMARKS = (MASK_LOGITS, BOX_LOGITS, RESNET_STEM, MOBILENET_STEM)
"""Weights that every network of a kind has once."""


def own_weights(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Take the weights of one network, without what stands before their names.

    Args:
        weights: tensors by name; of several networks in a file the one without a prefix counts.

    Returns:
        Those with a landmark's prefix; none if no landmark is there, or several have one.
    """
    for landmark in LANDMARKS:
        prefixes = [name.removesuffix(landmark) for name in weights if _ends(name, landmark)]
        if "" in prefixes:
            prefixes = [""]
        if len(prefixes) == 1:
            before = prefixes[0]
            return {
                today_spelled(name.removeprefix(before)): tensor
                for name, tensor in weights.items()
                if name.startswith(before)
            }
        if prefixes:
            return {}
    return {}


def _ends(name: str, landmark: str) -> bool:
    return name == landmark or name.endswith(f".{landmark}")
