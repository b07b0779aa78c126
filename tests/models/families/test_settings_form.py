"""Settings that somebody changed into another form are refused in a line, whatever they break."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from edgeseg.errors import CheckpointError
from edgeseg.models.families.family import Source
from edgeseg.models.families.opening import open_source
from tests.models.families.random_weights import detectron2_name, drawn, layer_shapes, mmdet_name

META = "model = dict(type='MaskRCNN', {})"


def of_detectron2(**model: Any) -> Mapping[str, Any]:
    return {"config.yaml": {"MODEL": model}}


def of_mmdet(setting: str) -> Mapping[str, Any]:
    return {"meta": {"cfg": META.format(setting)}}


@pytest.mark.parametrize(
    ("family", "configs"),
    [
        ("detectron2", of_detectron2(PIXEL_STD=True)),
        ("detectron2", of_detectron2(PIXEL_MEAN=["red", "green", "blue"])),
        ("detectron2", of_detectron2(ANCHOR_GENERATOR={"SIZES": []})),
        ("detectron2", of_detectron2(RPN={"BBOX_REG_WEIGHTS": [1, 2]})),
        ("detectron2", of_detectron2(ROI_HEADS={"SCORE_THRESH_TEST": {}})),
        ("detectron2", {"config.yaml": {"MODEL": {}, "INPUT": {"MIN_SIZE_TEST": []}}}),
        ("mmdet", of_mmdet("data_preprocessor=dict(mean=[1, 2])")),
        ("mmdet", of_mmdet("rpn_head=dict(anchor_generator=8)")),
        ("mmdet", of_mmdet("test_cfg=dict(rcnn=[])")),
    ],
)
def test_settings_of_another_form_are_refused_in_a_line(family: str, configs: Mapping[str, Any]) -> None:
    names = detectron2_name if family == "detectron2" else mmdet_name
    source = Source(Path("model.pth"), drawn(layer_shapes(), names), configs)
    with pytest.raises(
        CheckpointError, match=rf"settings of model\.pth are not of the form in which {family} writes them"
    ) as caught:
        open_source("auto", source)
    assert "\n" not in str(caught.value)
