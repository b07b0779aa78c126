"""Recognise the weights of torchvision's semantic networks and Mask R-CNN, and make them as edgeseg's own.

The library itself is not needed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from edgeseg.errors import CheckpointError, UsageError
from edgeseg.models.families.family import Recognised, Source
from edgeseg.models.families.torchvision import detectors, semantic
from edgeseg.models.families.torchvision.detectors import DetectorForm, detector_form, is_detector
from edgeseg.models.families.torchvision.names import own_weights
from edgeseg.models.families.torchvision.networks import (
    class_names,
    detector_network,
    semantic_network,
)
from edgeseg.models.families.torchvision.semantic import SemanticForm, semantic_form
from edgeseg.models.network import Network

RESNET, MOBILENET = r"(conv1|bn1|layer\d)\.", r"\d+\."
DETECTOR = (
    r"backbone\.fpn\.(inner|layer)_blocks\.\d\.",
    r"rpn\.head\.(conv|cls_logits|bbox_pred)\.",
    r"roi_heads\.box_head\.",
    r"roi_heads\.box_predictor\.",
    r"roi_heads\.mask_head\.",
    r"roi_heads\.mask_predictor\.",
)


class Torchvision:
    """DeepLabV3, FCN and LR-ASPP, and Mask R-CNN on a feature pyramid."""

    name = "torchvision"
    extra = None
    layouts: Mapping[str, tuple[str, ...]] = {
        detectors.V1: (rf"backbone\.body\.{RESNET}", *DETECTOR),
        detectors.V2: (rf"backbone\.body\.{RESNET}", *DETECTOR),
        detectors.OTHER: (r"backbone\.body\.", *DETECTOR),
        **{
            function: (rf"backbone\.{RESNET if 'resnet' in function else MOBILENET}", r"classifier\.")
            for function in semantic.FUNCTIONS
        },
        **dict.fromkeys(semantic.CLASSES.values(), (r"backbone\.", r"classifier\.")),
    }

    def recognise(self, source: Source) -> Recognised | None:
        """Tell whether these are weights of a network with torchvision's names."""
        form = _form(own_weights(source.weights), source)
        if form is None:
            return None
        shown = {} if isinstance(form, SemanticForm) else form.parameters
        who = "as many classes as torchvision's own weights have"
        return Recognised(
            self.name,
            form.architecture,
            "certain",
            form.body.name,
            form.num_classes,
            {"num_classes": form.num_classes, **shown},
            {"class_names": who} if class_names(form) else {},
        )

    def make(self, source: Source, recognised: Recognised, arguments: Mapping[str, Any]) -> Network:
        """Make the network; its arguments have torchvision's names, such as `min_size`."""
        weights = own_weights(source.weights)
        form = _form(weights, source)
        if form is None or form.architecture != recognised.architecture:
            what = "of no network of torchvision's" if form is None else f"of {self.name}:{form.architecture}"
            raise CheckpointError(f"{source.path}: the weights are not of {recognised.model}, but {what}")
        given = dict(arguments)
        if (asked := given.pop("num_classes", None)) not in (None, form.num_classes):
            raise UsageError(
                f"--num-classes {asked}: the weights have {form.num_classes} classes, background included"
            )
        if isinstance(form, DetectorForm):
            return detector_network(source, weights, form, given)
        return semantic_network(source, weights, form, given)


def _form(weights: Mapping[str, Tensor], source: Source) -> DetectorForm | SemanticForm | None:
    return detector_form(weights, str(source.path)) if is_detector(weights) else semantic_form(weights)
