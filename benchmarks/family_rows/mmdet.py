"""Mask R-CNN of MMDetection, by the library's own models and configurations, as its runner writes them."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.family_rows.case import Case, Written
from benchmarks.family_rows.open_mmlab import as_input, open_library, read_config
from benchmarks.family_rows.region_detectors import (
    CELLS,
    CLASSES,
    MOST,
    POST_NMS,
    PRE_NMS,
    R101,
    RATIOS,
    RGB_STD,
    SCORE,
    SIZE_HW,
    STRIDES,
    Network,
)
from edgeseg.metrics.object_agreement import Instances
from tests.models.families.random_weights import mmdet_name

CONFIG = "mask-rcnn_r50_fpn.py"
NAMES = [f"class {number}" for number in range(CLASSES)]
NORMALISED = partial(Network, mmdet_name, std=RGB_STD, rgb=True)


def _changes(network: Network) -> dict[str, Any]:
    """List what differs from the library's configuration of R50."""
    backbone = {
        "type": "ResNet" if network.groups == 1 else "ResNeXt",
        "depth": 101 if network.blocks == R101 else 50,
        "style": "caffe" if network.caffe else "pytorch",
        "init_cfg": None,
    }
    if network.groups > 1:
        backbone |= {"groups": network.groups, "base_width": network.width_per_group}
    pixels = {"mean": list(network.mean), "std": list(network.std), "bgr_to_rgb": network.rgb}
    anchors = {"scales": [CELLS], "ratios": list(RATIOS), "strides": list(STRIDES)}
    heads = {"bbox_head": {"num_classes": CLASSES}, "mask_head": {"num_classes": CLASSES}}
    proposals = {"nms_pre": PRE_NMS, "max_per_img": POST_NMS}
    model = {
        "backbone": backbone,
        "data_preprocessor": pixels,
        "rpn_head": {"anchor_generator": anchors},
        "roi_head": heads,
        "test_cfg": {"rpn": proposals, "rcnn": {"score_thr": SCORE, "max_per_img": MOST}},
    }
    return {"model": model}


def _config_of_version_2(network: Network) -> str:
    """Write what version 2 has in other places than version 3."""
    return (
        f"img_norm_cfg = dict(mean={list(network.mean)}, std={list(network.std)}, to_rgb={network.rgb})\n"
        f"model = dict(type='MaskRCNN', "
        f"backbone=dict(type='ResNet', style='{'caffe' if network.caffe else 'pytorch'}'),"
        f"rpn_head=dict(anchor_generator=dict(scales=[{CELLS}], ratios={RATIOS}, strides={STRIDES})),"
        f"test_cfg=dict(rpn=dict(nms_pre={PRE_NMS}, max_per_img={POST_NMS})))"
    )


def _write(folder: Path, *, network: Network, version: int) -> Written:
    described = read_config(open_library("mmdet"), CONFIG, _changes(network))
    model = importlib.import_module("mmdet.registry").MODELS.build(described.model).eval()
    weights = network.weights()
    missing, unexpected = model.load_state_dict(weights, strict=False)
    if unexpected or any(not name.endswith("num_batches_tracked") for name in missing):
        raise ValueError(f"the library's model has other weights: {missing[:3]}, {unexpected[:3]}")
    names = {"dataset_meta": {"classes": NAMES}} if version == 3 else {"CLASSES": NAMES}
    config = {"cfg": described.pretty_text} if version == 3 else {"config": _config_of_version_2(network)}
    torch.save({"meta": {**config, **names}, "state_dict": weights}, folder / "epoch_12.pth")
    return Written(folder / "epoch_12.pth", _eager(model))


def _eager(model: Any) -> Callable[[NDArray[np.uint8]], Instances]:
    shapes = dict.fromkeys(("ori_shape", "img_shape", "pad_shape", "batch_input_shape"), SIZE_HW)
    structures = importlib.import_module("mmdet.structures")

    def eager(frame: NDArray[np.uint8]) -> Instances:
        sample = structures.DetDataSample(metainfo={**shapes, "scale_factor": (1.0, 1.0)})
        with torch.inference_mode():
            found = model.test_step({"inputs": [as_input(frame)], "data_samples": [sample]})[0].pred_instances
        return Instances(
            found.bboxes.numpy(),
            found.scores.numpy(),
            found.labels.numpy() + 1,
            found.masks.numpy().astype(np.float32),
        )

    return eager


CASES = tuple(
    Case(
        family="mmdet",
        architecture=f"Mask R-CNN {backbone}-FPN",
        written=f"version {version}, meta",
        write=partial(_write, network=network, version=version),
        expected="mmdet:MaskRCNN",
        size_hw=SIZE_HW,
        score_threshold=SCORE,
    )
    for backbone, network, version in (
        ("R50", NORMALISED(), 3),
        ("R50", NORMALISED(), 2),
        ("R50 caffe", Network(mmdet_name, caffe=True), 3),
        ("R101", NORMALISED(blocks=R101), 2),
        ("X101 32x4d", NORMALISED(blocks=R101, groups=32, width_per_group=4), 3),
    )
)
