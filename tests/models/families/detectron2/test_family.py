"""detectron2's weights are recognised, and give what its definition of the network gives, written plainly."""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
import torch
import yaml
from torch import Tensor

from edgeseg.errors import CheckpointError, UsageError
from edgeseg.models.families.detectron2.family import Detectron2
from edgeseg.models.families.detectron2.names import own_names
from edgeseg.models.families.family import Source
from edgeseg.models.families.region_detector import resnet_of
from edgeseg.models.families.registry import by_name, recognise
from edgeseg.models.families.source import read_source
from edgeseg.models.mask_rcnn import MaskRCNN
from edgeseg.models.network import Network
from edgeseg.models.without_memory import without_memory
from tests.models.families.plain_detector import Rules, layer_of
from tests.models.families.plain_semantic import plain_semantic_logits, semantic_weights
from tests.models.families.random_weights import (
    SMALL,
    detectron2_name,
    drawn,
    layer_shapes,
    photo,
)
from tests.models.families.same_objects import assert_same_objects

FEW = {
    "MODEL": {
        "RPN": {"PRE_NMS_TOPK_TEST": 50, "POST_NMS_TOPK_TEST": 40},
        "ROI_HEADS": {"SCORE_THRESH_TEST": 0.1},
        "ANCHOR_GENERATOR": {
            "SIZES": [[16], [24], [32], [48], [64]],
            "ASPECT_RATIOS": [[0.5, 1.0, 2.0]],
        },
    },
    "TEST": {"DETECTIONS_PER_IMAGE": 12},
}
"""Fewer proposals than by default, which are compared one by one."""


def source_of(weights: Mapping[str, Tensor], config: Mapping[str, Any] | None = None) -> Source:
    return Source(Path("model_final.pth"), weights, {} if config is None else {"config.yaml": config})


def made(weights: Mapping[str, Tensor], config: Mapping[str, Any] | None = None, **arguments: Any) -> Network:
    source, family = source_of(weights, config), Detectron2()
    recognised = family.recognise(source)
    assert recognised is not None
    return family.make(source, recognised, arguments)


def empty(shapes: Mapping[str, tuple[int, ...]], name_of: Callable[[str], str]) -> dict[str, Tensor]:
    """Make weights without numbers, of which only names and shapes are looked at."""
    return {name_of(role): torch.empty(shape, device="meta") for role, shape in shapes.items()}


def configured(**model: Any) -> dict[str, Any]:
    return {**FEW, "MODEL": {**FEW["MODEL"], **model}}


def rules(
    *,
    stride_in_1x1: bool = True,
    sizes: Any = ((16,), (24,), (32,), (48,), (64,)),
    boxes: Any = (0.1, 0.1, 0.2, 0.2),
) -> Rules:
    return Rules(
        sizes, (0.5, 1.0, 2.0), ((1, 1, 1, 1), boxes), -math.inf, 50, 40, 0.1, 12, stride_in_1x1, False
    )


@pytest.mark.parametrize("size_hw", [(96, 128), (90, 110)])  # the second is padded
def test_mask_rcnn_finds_what_the_plain_one_does(size_hw: tuple[int, int]) -> None:
    weights = drawn(layer_shapes(), detectron2_name)
    network = made(weights, configured(RESNETS={"STRIDE_IN_1X1": True}, **FEW["MODEL"]))
    assert_same_objects(
        cast(MaskRCNN, network.module), layer_of(weights, detectron2_name), rules(), photo(*size_hw)
    )


def test_a_resnext_has_its_stride_in_the_3x3_convolution() -> None:
    weights = drawn(layer_shapes(groups=4, width_per_group=32), detectron2_name, seed=1)
    network = made(weights, FEW)
    assert_same_objects(
        cast(MaskRCNN, network.module),
        layer_of(weights, detectron2_name),
        rules(stride_in_1x1=False),
        photo(96, 128),
    )


def test_several_sizes_a_level_one_box_for_all_classes_and_other_deviations() -> None:
    sizes = [[12, 20], [20, 28], [28, 40], [40, 56], [56, 72]]
    weights = drawn(layer_shapes(anchors=6, boxes=1), detectron2_name, seed=6)
    config = configured(
        ANCHOR_GENERATOR={"SIZES": sizes, "ASPECT_RATIOS": [[0.5, 1.0, 2.0]]},
        ROI_BOX_HEAD={"BBOX_REG_WEIGHTS": [20.0, 20.0, 10.0, 10.0], "CLS_AGNOSTIC_BBOX_REG": True},
    )
    network = made(weights, config)
    assert_same_objects(
        cast(MaskRCNN, network.module),
        layer_of(weights, detectron2_name),
        rules(sizes=sizes, boxes=(0.05, 0.05, 0.1, 0.1)),
        photo(96, 128, seed=3),
    )


def test_semantic_fpn_gives_the_plain_logits() -> None:
    weights = semantic_weights()
    network = made(weights)
    image = photo(96, 128)
    with torch.inference_mode():
        logits = network.module(image)
        assert network.task == "semantic"
        assert logits.shape == (1, 5, 24, 32)
        torch.testing.assert_close(
            logits, plain_semantic_logits(weights, image, SMALL.blocks), atol=1e-4, rtol=1e-4
        )
        assert network.module(photo(90, 110)).shape == (1, 5, 23, 28)


def test_what_the_weights_and_the_defaults_say() -> None:
    found = Detectron2().recognise(source_of(drawn(layer_shapes(), detectron2_name)))
    assert found is not None
    assert (found.architecture, found.sure, found.num_classes) == ("MaskRCNN", "likely", SMALL.classes + 1)
    assert found.parameters["stride_in_1x1"] is True
    assert any("config.yaml" in sentence and "stride_in_1x1=False" in sentence for sentence in found.unknown)
    network = made(drawn(layer_shapes(), detectron2_name))
    assert network.mean_rgb == (123.675, 116.28, 103.53)
    assert network.std_rgb == (1.0, 1.0, 1.0)
    assert (network.channel_order, network.divide_by_255) == ("bgr", "never")
    assert (network.resize, network.resize_filter) == ("shortest_edge", "pil")


def test_a_resnext_without_a_config_takes_the_model_zoos_pixels() -> None:
    network = made(drawn(layer_shapes(groups=4, width_per_group=32), detectron2_name))
    assert (network.std_rgb, network.channel_order) == ((58.395, 57.12, 57.375), "bgr")


@pytest.mark.parametrize(("groups", "width"), [(32, 8), (32, 4), (64, 4)])
def test_groups_and_widths_are_read_from_shapes(groups: int, width: int) -> None:
    sizes = replace(SMALL, stem=64, blocks=(1, 1, 1, 1), pyramid=4)
    shapes = layer_shapes(sizes, groups=groups, width_per_group=width)
    found = Detectron2().recognise(source_of(empty(shapes, detectron2_name)))
    assert found is not None
    assert found.backbone == f"ResNeXt-4 {groups}x{width}d"
    renamed = own_names(empty(shapes, detectron2_name), semantic=False)
    with without_memory():
        body = resnet_of(renamed, stride_in_1x1=False)
    assert (body.layer1[0].conv2.groups, body.layer1[0].conv2.out_channels) == (groups, groups * width)
    assert (body.layer4[0].conv2.groups, body.layer4[0].conv2.out_channels) == (groups, groups * width * 8)
    wanted = {n.removeprefix("backbone.body."): t.shape for n, t in renamed.items() if "backbone.body" in n}
    made_of = {n: t.shape for n, t in body.state_dict().items() if not n.endswith("num_batches_tracked")}
    assert made_of == wanted


@pytest.mark.parametrize(("blocks", "name"), [((3, 4, 6, 3), "ResNet-50"), ((3, 4, 23, 3), "ResNet-101")])
def test_depths_are_named_by_their_blocks(blocks: tuple[int, ...], name: str) -> None:
    weights = empty(layer_shapes(replace(SMALL, blocks=blocks)), detectron2_name)
    found = Detectron2().recognise(source_of(weights))
    assert found is not None
    assert found.backbone == name


def test_frozen_normalisation_without_statistics_is_affine_and_said() -> None:
    weights = drawn(layer_shapes(), detectron2_name)
    full = {
        **weights,
        **{n: torch.zeros_like(t) for n, t in weights.items() if n.endswith("running_mean")},
        **{n: torch.ones_like(t) for n, t in weights.items() if n.endswith("running_var")},
    }
    bare = {name: tensor for name, tensor in weights.items() if "running" not in name}
    found = Detectron2().recognise(source_of(bare))
    assert found is not None
    assert any("no mean and variance" in sentence for sentence in found.unknown)
    one, other = made(bare).module.state_dict(), made(full).module.state_dict()
    assert all(torch.equal(tensor, other[name]) for name, tensor in one.items())


def test_pixels_and_anchors_that_the_file_holds_count() -> None:
    weights = drawn(layer_shapes(), detectron2_name)
    weights["pixel_mean"] = torch.tensor([123.675, 116.28, 103.53]).reshape(3, 1, 1)
    weights["pixel_std"] = torch.tensor([58.395, 57.12, 57.375]).reshape(3, 1, 1)
    for level, size in enumerate((10.0, 20.0, 40.0, 80.0, 160.0)):
        ratios = torch.tensor([0.5, 1.0, 2.0])
        width, height = size / ratios.sqrt(), size * ratios.sqrt()
        name = f"proposal_generator.anchor_generator.cell_anchors.{level}"
        weights[name] = torch.stack([-width, -height, width, height], dim=1) / 2
    network = made(weights)
    assert network.channel_order == "rgb"
    assert network.std_rgb == (58.395, 57.12, 57.375)
    module = cast(MaskRCNN, network.module)
    assert module.rpn.anchor_sizes == ((10.0,), (20.0,), (40.0,), (80.0,), (160.0,))
    assert module.rpn.aspect_ratios == (0.5, 1.0, 2.0)
    assert module.backbone.body.layer2[0].conv2.stride == (2, 2)  # normalised pixels: no weights of MSRA's


def test_a_pickle_of_the_model_zoo_with_its_config_is_certain(tmp_path: Path) -> None:
    weights = drawn(layer_shapes(), detectron2_name)
    arrays = {name: tensor.numpy() for name, tensor in weights.items()}
    content = {"model": arrays, "__author__": "Detectron2 Model Zoo"}
    (tmp_path / "model_final.pkl").write_bytes(pickle.dumps(content, protocol=2))
    config = configured(RESNETS={"STRIDE_IN_1X1": False}, PIXEL_STD=[57.375, 57.12, 58.395])
    (tmp_path / "config.yaml").write_text(yaml.safe_dump({**config, "INPUT": {"FORMAT": "BGR"}}))

    found = recognise(read_source(tmp_path / "model_final.pkl"))

    assert (found.model, found.sure) == ("detectron2:MaskRCNN", "certain")
    assert found.backbone == "ResNet-5"  # blocks, where no ResNet has as many
    assert found.parameters["stride_in_1x1"] is False
    assert found.said["std_rgb"] == "config.yaml"
    assert found.said["default_size_hw"] == "detectron2's defaults"  # of which the file says nothing
    assert found.unknown == ()


def test_sizes_and_limits_of_the_config_are_taken_or_said() -> None:
    weights = drawn(layer_shapes(), detectron2_name)
    network = made(weights, {**FEW, "INPUT": {"MIN_SIZE_TEST": 1200, "MAX_SIZE_TEST": 1333}})
    assert network.default_size_hw == (1200, 1333)
    assert any("more than 0.1, at most 12 an image; the export keeps" in note for note in network.notes)
    assert made(weights, {**FEW, "INPUT": {"MIN_SIZE_TEST": 0}}).default_size_hw is None  # none is resized
    assert made(weights).default_size_hw == (800, 1067)
    assert made(weights).notes == ()


def test_a_config_is_read_with_the_file_beside_it_that_it_builds_on(tmp_path: Path) -> None:
    torch.save({"model": drawn(layer_shapes(), detectron2_name)}, tmp_path / "model_final.pth")
    own = {"_BASE_": "Base-RCNN-FPN.yaml", "MODEL": {"RPN": {"NMS_THRESH": 0.6}}}
    base = configured(RESNETS={"STRIDE_IN_1X1": False}, RPN={"NMS_THRESH": 0.9, "PRE_NMS_TOPK_TEST": 50})
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(own))
    (tmp_path / "Base-RCNN-FPN.yaml").write_text(yaml.safe_dump({**base, "INPUT": {"MIN_SIZE_TEST": 640}}))
    for weights in (tmp_path / "model_final.pth", tmp_path):
        source = read_source(weights)
        found = recognise(source)
        assert (found.sure, found.parameters["stride_in_1x1"]) == ("certain", False)
        assert found.said["default_size_hw"] == "Base-RCNN-FPN.yaml"
        network = Detectron2().make(source, found, {})
        module = cast(MaskRCNN, network.module)
        assert (module.rpn.nms_threshold, module.rpn.pre_nms) == (0.6, 50)
        assert network.default_size_hw == (640, 853)


@pytest.mark.parametrize(
    ("base", "reason"),
    [
        ("../Base-RCNN-FPN.yaml", "does not lie in the folder of the weights"),
        ("Base-RCNN-FPN.yaml", "is not there"),
        ("config.yaml", "builds on itself"),
    ],
)
def test_a_config_that_builds_on_what_is_not_beside_it_is_refused(
    tmp_path: Path, base: str, reason: str
) -> None:
    folder = tmp_path / "weights"
    folder.mkdir()
    torch.save({"model": drawn(layer_shapes(), detectron2_name)}, folder / "model_final.pth")
    (folder / "config.yaml").write_text(yaml.safe_dump({"_BASE_": base, **configured(RPN={})}))
    (tmp_path / "Base-RCNN-FPN.yaml").write_text(yaml.safe_dump(configured(RPN={})))
    with pytest.raises(CheckpointError, match=rf"{reason}.*cfg\.dump\(\)"):
        recognise(read_source(folder))


def test_eighty_classes_are_named_and_said_to_be_assumed() -> None:
    shapes = layer_shapes()
    for role, rows in (("classes", 81), ("boxes", 320), ("masks", 80)):
        for part in ("weight", "bias"):
            shapes[f"{role}.{part}"] = (rows, *shapes[f"{role}.{part}"][1:])
    weights = drawn(shapes, detectron2_name)
    network = made(weights)
    assert network.class_names is not None
    assert (network.class_names[0], network.class_names[1], network.class_names[80]) == (
        "background",
        "person",
        "toothbrush",
    )
    found = Detectron2().recognise(source_of(weights))
    assert found is not None
    assert any("COCO" in sentence for sentence in found.unknown)


def test_a_panoptic_network_gives_either_of_its_heads() -> None:
    detector = drawn(layer_shapes(), detectron2_name)
    both = {**detector, **{n: t for n, t in semantic_weights().items() if n.startswith("sem_seg_head")}}
    source, family = source_of(both), Detectron2()
    found = family.recognise(source)
    assert found is not None
    assert found.architecture == "MaskRCNN"
    assert any("panoptic" in sentence for sentence in found.unknown)
    assert family.make(source, found, {}).task == "instance"
    asked = by_name("detectron2:SemanticFPN", source)
    assert family.make(source, asked, {}).task == "semantic"


def test_what_edgesegs_network_does_not_do_is_refused() -> None:
    weights = drawn(layer_shapes(), detectron2_name)
    boxes_alone = {name: tensor for name, tensor in weights.items() if "mask_head" not in name}
    with pytest.raises(CheckpointError, match="Faster R-CNN, which gives no masks"):
        Detectron2().recognise(source_of(boxes_alone))
    for old, new, why in (
        ("roi_heads.box_predictor.", "roi_heads.box_predictor.0.", "Cascade R-CNN, which refines its boxes"),
        ("roi_heads.mask_head.", "roi_heads.mask_head.coarse_head.", "another mask head, such as PointRend"),
        ("backbone.fpn_", "backbone.bifpn_", "without a feature pyramid"),
    ):
        with pytest.raises(CheckpointError, match=why):
            Detectron2().recognise(source_of({name.replace(old, new): t for name, t in weights.items()}))
    further = {"proposal_generator.rpn_head.centerness.weight": torch.ones(1, 16, 1, 1)}
    with pytest.raises(
        CheckpointError, match=r"has proposal_generator\.rpn_head\.centerness\.weight besides"
    ):
        made({**weights, **further})
    offsets = {"backbone.bottom_up.res3.0.conv2_offset.weight": torch.ones(18, 16, 3, 3)}
    with pytest.raises(CheckpointError, match="conv2_offset"):
        made({**weights, **offsets})
    with pytest.raises(CheckpointError, match=r"ROI_BOX_HEAD\.POOLER_TYPE ROIAlign, which"):
        made(weights, configured(ROI_BOX_HEAD={"POOLER_TYPE": "ROIAlign"}))
    with pytest.raises(CheckpointError, match=r"RESNETS\.NORM GN, which"):
        made(weights, configured(RESNETS={"NORM": "GN"}))
    with pytest.raises(UsageError, match="--num-classes 7: the weights have 4 classes"):
        made(weights, num_classes=7)
    with pytest.raises(UsageError, match=r"cannot be made with \{'colour': 1\}"):
        made(weights, colour=1)
    del weights["roi_heads.box_head.fc1.weight"]
    with pytest.raises(CheckpointError, match="lacks weights of detectron2:MaskRCNN"):
        made(weights)


def test_weights_of_others_are_not_recognised() -> None:
    assert Detectron2().recognise(source_of({"conv.weight": torch.zeros(1, 3, 3, 3)})) is None
