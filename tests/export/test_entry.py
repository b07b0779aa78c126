"""`edgeseg.export.export` says all that the command says, in one call."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest
import torch
from torch import nn

from edgeseg.cli.export import command
from edgeseg.errors import UsageError
from edgeseg.export import export
from edgeseg.export.entry import describe
from edgeseg.graph.portable import PortableModel
from edgeseg.models.network import Network
from edgeseg.models.unet import UNet
from edgeseg.spec import CRFSpec

SIZE_HW = (32, 48)
RENAMED = {
    "model": "network",
    "classes_path": "class_names",
    "mean": "mean_rgb",
    "pad_colour": "pad_rgb",
    "std": "std_rgb",
    "output_index": "output_of",
    "output_key": "output_of",
    "with_crf": "crf",
    "crf_parameters": "crf",
    "palette_path": "palette_rgb",
}


def test_what_the_command_can_say_the_function_can_say() -> None:
    flags = {RENAMED.get(str(parameter.name), parameter.name) for parameter in command.params}
    assert flags - set(inspect.signature(export).parameters) == set()


def test_what_is_said_goes_into_the_file(tmp_path: Path) -> None:
    torch.manual_seed(0)
    module = nn.Conv2d(3, 2, 1)
    made = export(
        module,
        tmp_path / "model.onnx",
        size_hw=SIZE_HW,
        class_names=["ground", "crack"],
        channel_order="bgr",
        mean_rgb=(0.1, 0.2, 0.3),
        std_rgb=(1.0, 1.0, 1.0),
        resize="letterbox",
        resize_filter="area",
        palette_rgb=[(0, 0, 0), (255, 0, 0)],
        batch=2,
        crf=True,
        crf_stride=8,
    )
    spec = PortableModel.read(tmp_path / "model.onnx").spec
    assert made.spec == spec
    assert made.parity.passed
    assert (spec.class_names, spec.palette_rgb) == (("ground", "crack"), ((0, 0, 0), (255, 0, 0)))
    assert (spec.input.height, spec.input.width, spec.input.batch) == (*SIZE_HW, 2)
    assert (spec.graph.network_channel_order, spec.input.resize) == ("bgr", "letterbox")
    assert (spec.input.resize_filter, spec.input.resize_filter_known, made.notes) == ("area", True, ())
    assert spec.graph.mean_rgb == (0.1, 0.2, 0.3)
    assert (spec.crf, spec.graph.crf_stride) == (CRFSpec(height=SIZE_HW[0]), 8)
    assert spec.source.network == "Conv2d"


def test_a_name_and_weights_are_enough(tmp_path: Path) -> None:
    torch.manual_seed(0)
    torch.save({"model": UNet(2, width=4, depth=2).state_dict(), "epoch": 3}, tmp_path / "w.pth")
    made = export("unet", tmp_path / "unet.onnx", size_hw=SIZE_HW, weights=tmp_path / "w.pth")
    assert made.spec.source.checkpoint_sha256


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({}, "Conv2d has no size of its own"),
        ({"size_hw": SIZE_HW, "divide_by_255": "never"}, "give both"),
        ({"size_hw": SIZE_HW, "channel_order": "rbg"}, "Network.channel_order must be rgb or bgr or grey"),
    ],
)
def test_what_cannot_be_is_refused(said: dict[str, object], why: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=why):
        export(nn.Conv2d(3, 2, 1), tmp_path / "model.onnx", **said)
    assert not (tmp_path / "model.onnx").exists()


def test_limits_of_instances_are_the_networks_where_nobody_says_others() -> None:
    network = Network(nn.Identity(), "instance", score_threshold=0.3, max_detections=7)
    kept = describe(network, score_threshold=None, max_detections=None)
    assert (kept.score_threshold, kept.max_detections) == (0.3, 7)
    said = describe(network, score_threshold=0.6, max_detections=9)
    assert (said.score_threshold, said.max_detections) == (0.6, 9)
