"""Read from names and shapes of weights which Mask R-CNN of torchvision's they are of, and make it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import Tensor, nn

from edgeseg.errors import CheckpointError
from edgeseg.models.families.resnet_weights import numbered
from edgeseg.models.families.torchvision.backbones import Body, body_of, levels_of
from edgeseg.models.families.torchvision.names import BOX_LOGITS, MASK_LOGITS
from edgeseg.models.fpn import BackboneWithFPN
from edgeseg.models.last_map import LastMap
from edgeseg.models.mask_rcnn import ANCHOR_SIZES, ASPECT_RATIOS, MOBILENET_ANCHOR_SIZES, MaskRCNN

V1, V2, OTHER = "maskrcnn_resnet50_fpn", "maskrcnn_resnet50_fpn_v2", "MaskRCNN"
"""torchvision's functions, and its class for all other backbones."""

BACKBONE, BODY, FPN = "backbone.", "backbone.body.", "backbone.fpn."
OBJECTNESS = "rpn.head.cls_logits.weight"
BOX_HEAD, MASK_HEAD = "roi_heads.box_head.", "roi_heads.mask_head."
UPSAMPLING = "roi_heads.mask_predictor.conv5_mask.weight"
VARIANCE = "1.running_var"
OWN_FUNCTION = "export it by a function of your own: edgeseg export file.py:function"


@dataclass(frozen=True)
class DetectorForm:
    """What weights show of a Mask R-CNN.

    Attributes:
        body: its backbone.
        levels: of the backbone's maps that the pyramid stands on; none where the last map alone counts.
        pyramid_channels: of every pyramid map, or of that one.
        normalised_pyramid, normalised_heads: have batch normalisation, as in torchvision's "v2".
        num_classes: with background.
        anchors: a cell.
        parameters: of `MaskRCNN`.
    """

    body: Body
    levels: tuple[int, ...]
    pyramid_channels: int
    normalised_pyramid: bool
    normalised_heads: bool
    num_classes: int
    anchors: int
    parameters: Mapping[str, Any]

    @property
    def architecture(self) -> str:
        """Name it as torchvision does."""
        if self.body.name != "resnet50" or self.pyramid_levels != len(ANCHOR_SIZES):
            return OTHER
        boxes = bool(self.parameters["box_conv_channels"])
        of_v2 = (self.normalised_pyramid, self.normalised_heads, boxes)
        return V2 if all(of_v2) else OTHER if any(of_v2) else V1

    @property
    def pyramid_levels(self) -> int:
        """Count the maps that anchors lie on, with the one that serves anchors alone."""
        return len(self.levels) + 1  # without a pyramid, the one map

    def usual_anchors(self) -> dict[str, Any] | None:
        """Give torchvision's anchors for such a pyramid; None if it has none with as many a cell."""
        sizes: Sequence[Sequence[float]] = ANCHOR_SIZES if self.body.is_resnet else MOBILENET_ANCHOR_SIZES
        sizes = sizes if self.levels else sizes[:1]  # as in the example of torchvision's MaskRCNN
        fit = self.pyramid_levels == len(sizes) and self.anchors == len(sizes[0]) * len(ASPECT_RATIOS)
        return {"anchor_sizes": sizes, "aspect_ratios": ASPECT_RATIOS} if fit else None

    def make(self, norm_eps: float, **parameters: Any) -> MaskRCNN:
        """Make the network; the parameters, which weights do not show, are those of `MaskRCNN`."""
        norm_layer = partial(nn.BatchNorm2d, eps=norm_eps)
        body = self.body.make(norm_layer=norm_layer)
        backbone = (
            BackboneWithFPN(
                body,
                self.pyramid_channels,
                levels=self.levels,
                norm_layer=norm_layer if self.normalised_pyramid else None,
            )
            if self.levels
            else LastMap(body)
        )
        heads = norm_layer if self.normalised_heads else None
        shown = {**self.parameters, "head_norm_layer": heads}
        return MaskRCNN(backbone, self.num_classes, **{**shown, **parameters})


def is_detector(weights: Mapping[str, Tensor]) -> bool:
    """Tell whether weights are those of a region-based detector."""
    return BOX_LOGITS in weights and OBJECTNESS in weights


def detector_form(weights: Mapping[str, Tensor], source: str) -> DetectorForm | None:
    """Read the form of a detector.

    Args:
        weights: tensors by torchvision's names.
        source: of them, for messages.

    Returns:
        None if its backbone is none of torchvision's.

    Raises:
        CheckpointError: if it is one that edgeseg has not.
    """
    has_pyramid = any(name.startswith(FPN) for name in weights)
    body = body_of(weights, BODY if has_pyramid else BACKBONE)
    if body is None or (body.is_resnet and not has_pyramid):
        return None
    if MASK_LOGITS not in weights:
        what = "Keypoint" if any(name.startswith("roi_heads.keypoint") for name in weights) else "Faster"
        raise CheckpointError(
            f"{source} is torchvision's {what} R-CNN, which gives no masks; edgeseg has its Mask R-CNN"
        )
    if any(name.startswith(f"{FPN}extra_blocks.") for name in weights):
        raise CheckpointError(
            f"{source} has further convolutions after its feature pyramid (extra_blocks), which edgeseg's "
            f"Mask R-CNN has not; {OWN_FUNCTION}"
        )
    count = numbered(weights, r"backbone\.fpn\.inner_blocks\.(\d+)\.0\.weight")
    try:
        laterals = [weights[f"{FPN}inner_blocks.{level}.0.weight"].shape for level in range(count)]
        levels = levels_of(body, [channels for _, channels, *_ in laterals])
        channels = laterals[0][0] if has_pyramid else body.channels[-1]
        if levels is None:
            raise CheckpointError(
                f"{source} has a feature pyramid on maps that {body.name} has not; {OWN_FUNCTION}"
            )
        return DetectorForm(
            body=body,
            levels=levels,
            pyramid_channels=channels,
            normalised_pyramid=f"{FPN}inner_blocks.0.{VARIANCE}" in weights,
            normalised_heads=f"{MASK_HEAD}0.{VARIANCE}" in weights,
            num_classes=len(weights[BOX_LOGITS]),
            anchors=len(weights[OBJECTNESS]),
            parameters=_heads(weights, channels),
        )
    except (KeyError, ValueError, TypeError, IndexError, ZeroDivisionError) as error:
        raise CheckpointError(
            f"{source} is a detector by torchvision's names, with weights that are none of its Mask R-CNN "
            f"({error}); {OWN_FUNCTION}"
        ) from error


def _heads(weights: Mapping[str, Tensor], channels: int) -> dict[str, Any]:
    """Read the parameters of `MaskRCNN` that its heads' shapes show."""
    convolutions = numbered(weights, r"roi_heads\.box_head\.(\d+)\.0\.weight")
    boxes = [weights[f"{BOX_HEAD}{i}.0.weight"].shape[0] for i in range(convolutions)]
    # Of convolutions, the fully connected layer stands behind them and a flattening.
    linear = weights[f"{BOX_HEAD}{convolutions + 1}.weight" if boxes else f"{BOX_HEAD}fc6.weight"]
    vector, pooled = linear.shape
    masks = numbered(weights, r"roi_heads\.mask_head\.(\d+)\.0\.weight")
    if not masks:
        raise ValueError("no convolutions in the mask head")
    return {
        "rpn_conv_depth": numbered(weights, r"rpn\.head\.conv\.(\d+)\.0\.weight"),
        "box_conv_channels": boxes,
        "representation_size": vector,
        "box_grid": round((pooled / (boxes[-1] if boxes else channels)) ** 0.5),
        "mask_channels": [weights[f"{MASK_HEAD}{i}.0.weight"].shape[0] for i in range(masks)],
        "mask_hidden_channels": weights[UPSAMPLING].shape[1],
    }
