"""MMDetection's weights are recognised, and give what its own definition gives, written plainly."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from torch import Tensor

from edgeseg.errors import CheckpointError, UsageError
from edgeseg.models.families.family import Source
from edgeseg.models.families.mmdet.config import Config, pixels
from edgeseg.models.families.mmdet.family import MMDetection
from edgeseg.models.families.registry import recognise
from edgeseg.models.families.source import read_source
from edgeseg.models.mask_rcnn import MaskRCNN
from edgeseg.models.network import Network
from tests.models.families.plain_detector import Rules, layer_of
from tests.models.families.random_weights import SMALL, drawn, layer_shapes, mmdet_name, photo
from tests.models.families.same_objects import assert_same_objects

NAMES = ("crack", "spall", "rust")
VERSION_3 = """
model = dict(
    type='MaskRCNN',
    data_preprocessor=dict(
        type='DetDataPreprocessor', mean=[103.53, 116.28, 123.675], std=[1.0, 1.0, 1.0], bgr_to_rgb=False),
    backbone=dict(type='ResNet', depth=50, style='caffe'),
    rpn_head=dict(
        anchor_generator=dict(
            type='AnchorGenerator', scales=[4, 6], ratios=[0.5, 1.0, 2.0], strides=[4, 8, 16, 32, 64]),
        bbox_coder=dict(
            type='DeltaXYWHBBoxCoder',
            target_means=[0.05, 0.0, 0.0, -0.1],
            target_stds=[0.8, 0.8, 1.0, 1.0])),
    roi_head=dict(
        bbox_head=dict(
            bbox_coder=dict(
                type='DeltaXYWHBBoxCoder',
                target_means=[0.0, 0.0, 0.0, 0.0],
                target_stds=[0.2, 0.2, 0.3, 0.3]))),
    test_cfg=dict(
        rpn=dict(nms_pre=50, max_per_img=40, nms=dict(type='nms', iou_threshold=0.7), min_bbox_size=0),
        rcnn=dict(score_thr=0.1, nms=dict(type='nms', iou_threshold=0.5), max_per_img=12)))
test_pipeline = [
    dict(type='LoadImageFromFile', backend_args=None),
    dict(type='Resize', scale=(1024, 512), keep_ratio=True),
    dict(type='PackDetInputs', meta_keys=('img_id', 'img_path')),
]
"""
VERSION_2 = """
img_norm_cfg = dict(
    mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True)
model = dict(
    type='MaskRCNN',
    backbone=dict(type='ResNet', depth=50, style='pytorch'),
    test_cfg=dict(
        rpn=dict(nms_pre=50, max_per_img=40, nms=dict(type='nms', iou_threshold=0.7)),
        rcnn=dict(score_thr=0.1, nms=dict(type='nms', iou_threshold=0.5), max_per_img=12)))
data = dict(
    test=dict(pipeline=[
        dict(type='LoadImageFromFile'),
        dict(
            type='MultiScaleFlipAug',
            img_scale=(1333, 800),
            flip=False,
            transforms=[
                dict(type='Resize', keep_ratio=True),
                dict(
                    type='Normalize',
                    mean=[123.675, 116.28, 103.53],
                    std=[58.395, 57.12, 57.375],
                    to_rgb=True),
                dict(type='Pad', size_divisor=32),
            ])
    ]))
checkpoint_config = dict(interval=max(1, 2))
"""


def source_of(weights: Mapping[str, Tensor], meta: Mapping[str, Any] | None = None) -> Source:
    return Source(Path("epoch_12.pth"), weights, {} if meta is None else {"meta": meta})


def made(weights: Mapping[str, Tensor], meta: Mapping[str, Any] | None = None, **arguments: Any) -> Network:
    source, family = source_of(weights, meta), MMDetection()
    recognised = family.recognise(source)
    assert recognised is not None
    return family.make(source, recognised, arguments)


def with_means(weights: Mapping[str, Tensor], means: Tensor, deviations: Tensor) -> dict[str, Tensor]:
    """Put means of anchors' deltas, which the plain network does not know, into the layer before them."""
    name = "rpn_head.rpn_reg.bias"
    anchors = len(weights[name]) // 4
    return {**weights, name: weights[name] + (means / deviations).repeat(anchors)}


def test_version_2_finds_what_the_plain_one_does() -> None:
    weights = drawn(layer_shapes(), mmdet_name, seed=1)
    network = made(weights, {"config": VERSION_2, "CLASSES": NAMES})
    sizes = [[float(8 * stride)] for stride in (4, 8, 16, 32, 64)]
    limit = math.log(16 / 1000)
    rules = Rules(
        sizes, (0.5, 1, 2), ((1, 1, 1, 1), (0.1, 0.1, 0.2, 0.2)), limit, 50, 40, 0.1, 12, False, True
    )
    assert_same_objects(cast(MaskRCNN, network.module), layer_of(weights, mmdet_name), rules, photo(90, 120))
    assert network.class_names == ("background", *NAMES)
    assert (network.mean_rgb, network.std_rgb) == ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375))
    assert (network.channel_order, network.divide_by_255, network.resize_filter) == ("rgb", "never", "linear")
    assert network.default_size_hw == (800, 1067)


def test_version_3_with_caffes_style_and_coders_of_its_own_finds_what_the_plain_one_does() -> None:
    weights = drawn(layer_shapes(anchors=6), mmdet_name, seed=3)
    # Deltas below log(16 / 1000) are limited here, and nowhere else.
    weights["rpn_head.rpn_reg.bias"][2::4] -= torch.tensor([0.0, 0, 8, 0, 0, 0])
    network = made(weights, {"cfg": VERSION_3, "dataset_meta": {"classes": list(NAMES)}})
    sizes = [[4.0 * stride, 6.0 * stride] for stride in (4, 8, 16, 32, 64)]
    deviations, means = torch.tensor([0.8, 0.8, 1, 1]), torch.tensor([0.05, 0, 0, -0.1])
    rules = Rules(
        sizes,
        (0.5, 1, 2),
        (deviations.tolist(), (0.2, 0.2, 0.3, 0.3)),
        math.log(16 / 1000),
        50,
        40,
        0.1,
        12,
        True,
        True,
    )
    plain = with_means(weights, means, deviations)
    assert_same_objects(cast(MaskRCNN, network.module), layer_of(plain, mmdet_name), rules, photo(96, 128))
    assert network.channel_order == "bgr"
    assert (network.mean_rgb, network.std_rgb) == ((123.675, 116.28, 103.53), (1.0, 1.0, 1.0))
    assert network.class_names == ("background", *NAMES)
    assert network.default_size_hw == (512, 683)


def test_a_checkpoint_of_the_trainer_is_certain(tmp_path: Path) -> None:
    content = {
        "meta": {"cfg": VERSION_3, "dataset_meta": {"CLASSES": NAMES}, "epoch": 12},
        "state_dict": drawn(layer_shapes(anchors=6), mmdet_name),
        "optimizer": {"state": {}},
    }
    torch.save(content, tmp_path / "epoch_12.pth")
    found = recognise(read_source(tmp_path / "epoch_12.pth"))
    assert (found.model, found.sure, found.num_classes) == ("mmdet:MaskRCNN", "certain", SMALL.classes + 1)
    assert found.parameters["stride_in_1x1"] is True
    assert found.said["mean_rgb"] == "the config in the checkpoint's meta"
    assert found.said["class_names"] == "the classes in the checkpoint's meta"
    assert found.unknown == ()


def test_without_meta_the_assumptions_are_said() -> None:
    weights = drawn(layer_shapes(groups=4, width_per_group=32), mmdet_name)
    found = MMDetection().recognise(source_of(weights))
    assert found is not None
    assert found.sure == "likely"
    assert found.backbone == "ResNeXt-5 4x4d"
    assert any("stride_in_1x1=True" in sentence for sentence in found.unknown)
    assert made(weights).channel_order == "rgb"
    caffe = made(weights, stride_in_1x1=True)
    assert (caffe.channel_order, caffe.std_rgb) == ("bgr", (1.0, 1.0, 1.0))
    module = cast(MaskRCNN, caffe.module)
    assert module.backbone.body.layer2[0].conv1.stride == (2, 2)


def test_a_resnext_of_caffe2_takes_bgr_where_nobody_says_its_pixels() -> None:
    config = Config()
    assert pixels(config, "ResNeXt-101 32x8d", caffe=False)[1:3] == ((58.395, 57.12, 57.375), "bgr")
    assert pixels(config, "ResNeXt-101 64x4d", caffe=False)[1:3] == ((58.395, 57.12, 57.375), "rgb")


def test_names_that_are_not_as_many_as_the_classes_are_left_out() -> None:
    meta = {"CLASSES": ("only", "two")}
    weights = drawn(layer_shapes(), mmdet_name)
    assert made(weights, meta).class_names is None
    found = MMDetection().recognise(source_of(weights, meta))
    assert found is not None
    assert any("names 2 classes, the weights have 4" in sentence for sentence in found.unknown)


def test_of_a_panoptic_network_the_detector_is_taken_and_said() -> None:
    weights = drawn(layer_shapes(anchors=6), mmdet_name)
    both = {**weights, "semantic_head.conv_logits.weight": torch.ones(9, 16, 1, 1)}
    meta = {
        "cfg": VERSION_3.replace("type='MaskRCNN'", "type='PanopticFPN'"),
        "dataset_meta": {"CLASSES": (*NAMES, "sky", "road"), "THING_CLASSES": NAMES},
    }
    found = MMDetection().recognise(source_of(both, meta))
    assert found is not None
    assert any("panoptic: its Mask R-CNN is taken" in sentence for sentence in found.unknown)
    network = made(both, meta)
    assert network.class_names == ("background", *NAMES)
    alone, whole = made(weights, {"cfg": VERSION_3}).module.state_dict(), network.module.state_dict()
    assert all(torch.equal(tensor, whole[name]) for name, tensor in alone.items())


@pytest.mark.parametrize(
    "further", ["neck.downsample_convs.0.conv.weight", "roi_head.mask_iou_head.fcs.0.weight"]
)
def test_parts_that_edgesegs_network_does_not_compute_are_refused(further: str) -> None:
    weights = drawn(layer_shapes(), mmdet_name)
    with pytest.raises(CheckpointError, match=rf"has {re.escape(further)} besides"):
        made({**weights, further: torch.ones(2, 2)})


def test_limits_that_the_export_sets_itself_are_said() -> None:
    (limits,) = made(drawn(layer_shapes(), mmdet_name), {"cfg": VERSION_2}).notes
    assert "more than 0.1, at most 12 an image; the export keeps those of --score-threshold" in limits


@pytest.mark.parametrize(("said", "taken", "notes"), [("0.4", 0.4, 1), ("-1", 0.5, 2)])
def test_the_threshold_of_masks_is_the_configs(said: str, taken: float, notes: int) -> None:
    """A negative one, which leaves masks as probabilities, has a note of its own."""
    config = VERSION_2.replace("max_per_img=12)", f"max_per_img=12, mask_thr_binary={said})")
    network = made(drawn(layer_shapes(), mmdet_name), {"cfg": config})
    assert network.mask_threshold == taken
    assert len(network.notes) == notes


def test_the_config_says_what_it_has_and_the_library_the_rest() -> None:
    meta = {"cfg": "model = dict(type='MaskRCNN', backbone=dict(type='ResNet', depth=50))"}
    found = MMDetection().recognise(source_of(drawn(layer_shapes(), mmdet_name), meta))
    assert found is not None
    assert found.said["mean_rgb"] == found.said["default_size_hw"] == "MMDetection's defaults"


def test_what_edgesegs_network_does_not_do_is_refused() -> None:
    weights = drawn(layer_shapes(), mmdet_name)
    cascade = {name.replace("bbox_head.fc", "bbox_head.0.fc"): tensor for name, tensor in weights.items()}
    with pytest.raises(CheckpointError, match="no Mask R-CNN, the one that edgeseg has; export it to ONNX"):
        MMDetection().recognise(source_of(cascade))
    soft = VERSION_3.replace("nms=dict(type='nms', iou_threshold=0.5)", "nms=dict(type='soft_nms')")
    with pytest.raises(CheckpointError, match=r"has model\.test_cfg\.rcnn\.nms\.type = 'soft_nms'"):
        made(weights, {"cfg": soft})
    with pytest.raises(UsageError, match="--num-classes 7: the weights have 4 classes"):
        made(weights, num_classes=7)
    with pytest.raises(CheckpointError, match="is no Python"):
        made(weights, {"cfg": "model = dict("})


def test_weights_of_others_are_not_recognised() -> None:
    assert MMDetection().recognise(source_of({"conv.weight": torch.zeros(1, 3, 3, 3)})) is None
