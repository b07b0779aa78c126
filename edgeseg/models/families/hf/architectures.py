"""The semantic networks of Hugging Face transformers, by what their `config.json` calls them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Architecture:
    """One semantic network.

    Attributes:
        name: as MODEL of the command line has it, after `hf:`.
        made_by: class of the library.
        names: regular expressions that its weights' names begin with.
    """

    name: str
    made_by: str
    names: tuple[str, ...]


_HEAD = r"decode_head\."

ARCHITECTURES: Mapping[str, Architecture] = {
    "segformer": Architecture("Segformer", "SegformerForSemanticSegmentation", (r"segformer\.", _HEAD)),
    "upernet": Architecture("UperNet", "UperNetForSemanticSegmentation", (r"backbone\.", _HEAD)),
    "dpt": Architecture("DPT", "DPTForSemanticSegmentation", (r"dpt\.", r"neck\.", r"head\.head\.")),
    "mobilevit": Architecture(
        "MobileViT", "MobileViTForSemanticSegmentation", (r"mobilevit\.", r"segmentation_head\.")
    ),
    "mobilevitv2": Architecture(
        "MobileViTV2", "MobileViTV2ForSemanticSegmentation", (r"mobilevitv2\.", r"segmentation_head\.")
    ),
    "mobilenet_v2": Architecture(
        "MobileNetV2", "MobileNetV2ForSemanticSegmentation", (r"mobilenet_v2\.", r"segmentation_head\.")
    ),
    "beit": Architecture("Beit", "BeitForSemanticSegmentation", (r"beit\.", _HEAD, r"fpn\d\.")),
    "data2vec-vision": Architecture(
        "Data2VecVision", "Data2VecVisionForSemanticSegmentation", (r"data2vec_vision\.", _HEAD, r"fpn\d\.")
    ),
}
"""By `model_type`."""

MASKS_FROM_QUERIES = ("detr", "eomt", "eomt_dinov3", "mask2former", "maskformer", "oneformer", "videomt")
"""Networks of the library that give masks and classes of queries, which are no logits of pixels."""
