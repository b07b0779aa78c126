"""Recognise MMDetection's weights, versions 2 and 3, and make their Mask R-CNN as edgeseg's.

The library itself is not needed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from edgeseg.errors import CheckpointError, UsageError
from edgeseg.models.checkpoints.loading import load_weights
from edgeseg.models.conventions import MMDETECTION
from edgeseg.models.families import region_detector as region
from edgeseg.models.families.family import Recognised, Source
from edgeseg.models.families.mmdet import config as settings
from edgeseg.models.families.mmdet.config import DETECTOR, Config, config_of
from edgeseg.models.families.mmdet.names import own_names
from edgeseg.models.network import Network
from edgeseg.models.roi_heads import DELTA_WEIGHTS

LATERAL, ANCHORS = "neck.lateral_convs.0.conv.weight", "rpn_head.rpn_cls.weight"
BOXES, MASKS = "roi_head.bbox_head.fc_cls.weight", "roi_head.mask_head.conv_logits.weight"
CASCADE = re.compile(r"roi_head\.(bbox|mask)_head\.\d+\.")
OWN_MODULES = ("neck.", "rpn_head.", "roi_head.")
SEMANTIC_HEAD, PANOPTIC_PARTS = "semantic_head.", ("semantic_head.", "panoptic_fusion_head.")
PYTORCH, CAFFE = "pytorch", "caffe"

NO_CONFIG = (
    "the checkpoint has no config in its meta: pixels, sizes, thresholds and anchors are taken as in "
    "MMDetection's configurations of Mask R-CNN, and the backbone's style as pytorch, with the stride of a "
    "block in its 3x3 convolution; write mmdet:MaskRCNN?stride_in_1x1=True for caffe's, which "
    "also has BGR pixels of deviation 1"
)


class MMDetection:
    """Mask R-CNN on ResNet or ResNeXt with a feature pyramid."""

    name = "mmdet"
    extra = None
    layouts: Mapping[str, tuple[str, ...]] = {
        DETECTOR: (
            r"backbone\.(conv1|bn1|layer\d)\.",
            r"neck\.lateral_convs\.\d\.conv\.",
            r"neck\.fpn_convs\.\d\.conv\.",
            r"rpn_head\.rpn_(conv|cls|reg)\.",
            r"roi_head\.bbox_head\.",
            r"roi_head\.mask_head\.",
        )
    }

    def recognise(self, source: Source) -> Recognised | None:
        """Tell whether these are weights of a detector with MMDetection's names."""
        weights = source.weights
        if LATERAL not in weights or ANCHORS not in weights:
            return None
        if any(map(CASCADE.match, weights)) or BOXES not in weights or MASKS not in weights:
            raise CheckpointError(
                f"{source.path} is a detector of MMDetection's, but no Mask R-CNN, the one that edgeseg has; "
                "export it to ONNX with MMDeploy, and that file by edgeseg export"
            )
        return _described(source)

    def make(self, source: Source, recognised: Recognised, arguments: Mapping[str, Any]) -> Network:
        """Make the network; `stride_in_1x1` and the parameters of `MaskRCNN` are its arguments."""
        described = _described(source)
        config, given = config_of(source.configs), dict(arguments)
        if (asked := given.pop("num_classes", None)) not in (None, described.num_classes):
            raise UsageError(
                f"--num-classes {asked}: the weights have {described.num_classes} classes, with background"
            )
        own = {**settings.detector_parameters(config), **described.parameters, **given}
        stride = bool(own.pop("stride_in_1x1"))
        try:
            weights = _adapted(_own(source), config)
            module = region.mask_rcnn_of(weights, MMDETECTION, stride_in_1x1=stride, **own)
        except TypeError as error:
            raise UsageError(f"{recognised.model} cannot be made with {dict(arguments)}: {error}") from error
        except KeyError as error:
            raise CheckpointError(f"{source.path} lacks weights of {recognised.model}: {error}") from error
        notes = load_weights(module, weights, source=str(source.path), name=recognised.model)
        notes += settings.test_notes(config)
        mean, std, order, _ = settings.pixels(config, described.backbone or "", caffe=stride)
        names = settings.classes_of(source.configs)
        fits = names is not None and len(names) + 1 == described.num_classes
        return Network(
            module.eval(),
            "instance",
            mean,
            std,
            class_names=("background", *names) if names is not None and fits else None,
            default_size_hw=settings.size_hw(config)[0],
            resize=settings.resize(config)[0],
            resize_filter="linear",
            channel_order=order,
            divide_by_255="never",
            mask_threshold=settings.mask_threshold(config),
            notes=tuple(notes),
        )


def _described(source: Source) -> Recognised:
    """Read what the weights and the meta data beside them say of a network."""
    weights, config = source.weights, config_of(source.configs)
    if unlike := settings.unlike(config):
        raise CheckpointError(
            f"{source.path} has {unlike} in its config, which edgeseg's Mask R-CNN does not do; export it to "
            "ONNX with MMDeploy, and that file by edgeseg export"
        )
    backbone = region.backbone_name(own_names(weights))
    caffe = config.get("model.backbone.style", PYTORCH) == CAFFE
    pixels = settings.pixels(config, backbone, caffe=caffe)
    said = dict.fromkeys(("mean_rgb", "std_rgb", "divide_by_255", "channel_order"), pixels[3])
    said["resize"], said["default_size_hw"] = settings.resize(config)[1], settings.size_hw(config)[1]
    said["resize_filter"] = "MMDetection, which resizes by OpenCV"
    said["pad_rgb"] = "MMDetection, which pads with the mean"
    classes = len(weights[BOXES]) if BOXES in weights and weights[BOXES].ndim else None
    names = settings.classes_of(source.configs)
    unknown = [] if config.node else [NO_CONFIG]
    if any(name.startswith(SEMANTIC_HEAD) for name in weights):
        unknown.append(
            "the network is panoptic: its Mask R-CNN is taken, its semantic head and their fusion are not"
        )
    if names is not None:
        said["class_names"] = settings.CLASSES
        if len(names) + 1 != classes:
            unknown.append(
                f"the checkpoint's meta names {len(names)} classes, the weights have {classes} with "
                "background; the names are left out"
            )
    return Recognised(
        "mmdet",
        DETECTOR,
        "certain" if config.node else "likely",
        backbone,
        classes,
        {
            "stride_in_1x1": caffe,
            **settings.anchors(config),
        },
        said,
        tuple(unknown),
    )


def _own(source: Source) -> dict[str, Tensor]:
    """Name a Mask R-CNN's weights as edgeseg does, without what makes a panoptic network of it."""
    found = own_names({n: t for n, t in source.weights.items() if not n.startswith(PANOPTIC_PARTS)})
    region.refuse_further(found, OWN_MODULES, str(source.path))
    return found


def _adapted(weights: dict[str, Tensor], config: Config) -> dict[str, Tensor]:
    """Bring the layers of a detector to the order and the scale of edgeseg's."""
    found = region.background_first(weights)
    one = (1.0,) * region.BOX_SIDES
    for layer, head, usual, ours in (
        (region.ANCHOR_DELTAS, "model.rpn_head", settings.ANCHOR_DEVIATIONS, one),
        (region.BOX_DELTAS, "model.roi_head.bbox_head", settings.BOX_DEVIATIONS, DELTA_WEIGHTS),
    ):
        deviations, means = settings.deviations(config, head, usual)
        if (tuple(deviations), tuple(means)) != (usual, settings.NO_MEANS):
            found = region.rescaled_deltas(found, layer, deviations, means, ours)
    return found
