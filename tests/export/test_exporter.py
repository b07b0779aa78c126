"""A portable model is proven, clean, the same every time, and not written at all if it is wrong."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import pytest
import torch
from torch import Tensor, nn

from edgeseg.errors import ExportError, ParityError, ShapeError, UsageError
from edgeseg.export import lowering
from edgeseg.export.exporter import Settings, export_network
from edgeseg.graph.portable import PortableModel
from edgeseg.graph.running import open_run, run_all
from edgeseg.manifest import MODULE_KEY, SOURCE_KEY
from edgeseg.models.network import Network
from edgeseg.models.unet import UNet
from edgeseg.proof.report import ParityReport
from edgeseg.scenes.pictures import pictures
from edgeseg.spec import ModelSpec
from tests import exported_models
from tests.export.small_networks import SIZE_HW, deeplab, mask_rcnn, unet
from tests.export.test_lowerings import REFUSED_BY_TENSORRT, operators
from tests.exported_models import ExportedModels


@dataclass(frozen=True)
class Exported:
    path: Path
    report: ParityReport
    model: onnx.ModelProto
    spec: ModelSpec

    def run(self, images: np.ndarray) -> list[dict[str, Any]]:
        return run_all(open_run(self.path), images, self.spec.input.batch)


def read(made: exported_models.Exported) -> Exported:
    return read_file(made.path, made.report)


def read_file(path: Path, report: ParityReport) -> Exported:
    model = PortableModel.read(path)
    return Exported(path, report, model.proto, model.spec)


def export(folder: Path, network: Network, **settings: Any) -> Exported:
    path = folder / "model.onnx"
    report = export_network(network, path, Settings("tiny", SIZE_HW, **settings)).parity
    return read_file(path, report)


@pytest.fixture(scope="module")
def labels(exported: ExportedModels) -> Exported:
    return read(exported(deeplab, output_kind="labels", checkpoint_sha256="ab" * 32))


@pytest.fixture(scope="module")
def many(exported: ExportedModels) -> Exported:
    return read(exported(mask_rcnn, score_threshold=0.1, max_detections=20))


@pytest.fixture(scope="module")
def dense(exported: ExportedModels) -> Exported:
    return read(exported(mask_rcnn, lowering="dense", batch=3, max_detections=20))


def test_labels_of_deeplab(labels: Exported) -> None:
    assert labels.report.passed
    assert labels.report.figures["label_agreement"] > 0.999
    assert labels.report.figures["max_relative_logit_error"] < 1e-5
    (outputs,) = labels.run(pictures((9,), SIZE_HW))
    assert {name: array.shape for name, array in outputs.items()} == {"labels": SIZE_HW}
    assert outputs["labels"].dtype == np.uint8
    assert len(np.unique(outputs["labels"])) > 1


def test_weights_that_are_not_numbers_are_refused_by_name(tmp_path: Path) -> None:
    network = mask_rcnn()
    with torch.no_grad():
        network.module.roi_heads.box_predictor.cls_score.weight[0, 3] = torch.nan  # the score filter hides it
    with pytest.raises(
        ExportError, match=r"weight roi_heads.box_predictor.cls_score.weight holds values that"
    ):
        export(tmp_path, network)
    assert not list(tmp_path.iterdir())


def test_spec_says_what_the_graph_does(labels: Exported, dense: Exported) -> None:
    assert labels.spec.class_names == ("background", "a", "b", "c", "d")
    assert labels.spec.source.checkpoint_sha256 == "ab" * 32
    (declared,) = labels.model.graph.output
    shape = tuple(dim.dim_value for dim in declared.type.tensor_type.shape.dim)
    assert shape == labels.spec.outputs[0].shape == (1, *SIZE_HW)
    assert [(o.name, o.dtype, o.shape) for o in dense.spec.outputs] == [
        ("boxes", "float32", (3, 20, 4)),
        ("scores", "float32", (3, 20)),
        ("class_ids", "int64", (3, 20)),
        ("masks", "float32", (3, 20, 14, 14)),
    ]
    assert dense.spec.thresholds.score == 0.5
    assert dense.spec.input.pad_bgr == (104, 116, 124)  # ImageNet's mean colour, which becomes 0


def test_logits_of_a_binary_unet(exported: ExportedModels) -> None:
    made = read(exported(unet, 1, output_kind="logits"))
    assert made.spec.class_names == ("background", "class 1")
    (outputs,) = made.run(pictures((9,), SIZE_HW))
    assert outputs["logits"].shape == (2, *SIZE_HW)
    assert not outputs["logits"][0].any()
    assert made.report.figures["max_relative_logit_error"] < 1e-5


class TorchvisionStyle(nn.Module):
    """Keeps its batch norm in training mode and returns a mapping, as many a user's module does."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 4, 3, stride=2, padding=1), nn.BatchNorm2d(4), nn.Dropout())

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        return {"aux": image, "out": self.body(image)}


def test_any_module_with_logits(tmp_path: Path) -> None:
    torch.manual_seed(0)
    exported = export(tmp_path, Network(TorchvisionStyle(), "semantic"), output_kind="logits", batch=2)
    assert exported.spec.outputs[0].shape == (2, 4, 32, 48)
    assert exported.report.figures["max_relative_logit_error"] < 1e-5
    assert "BatchNormalization" not in operators(exported.model.graph)


def test_instances_of_any_number(many: Exported) -> None:
    figures = many.report.figures
    assert figures["detections"] >= 20
    assert figures["missed"] == figures["extra"] == 0
    assert figures["matched"] + figures["borderline"] // 2 >= figures["detections"]
    counts = {len(outputs["scores"]) for outputs in many.run(pictures(range(4), SIZE_HW))}
    assert len(counts) > 1
    assert [o.shape for o in many.spec.outputs] == [(1, None, 4), (1, None), (1, None), (1, None, 14, 14)]


def test_dense_lowering_pads_a_batch(dense: Exported) -> None:
    assert dense.report.figures["detections"] > 0
    assert dense.report.figures["missed"] == dense.report.figures["extra"] == 0
    assert not REFUSED_BY_TENSORRT & operators(dense.model.graph)
    for outputs in dense.run(pictures(range(3), SIZE_HW)):
        found = int((outputs["scores"] > 0).sum())
        assert 0 < found < 20
        assert not outputs["boxes"][found:].any()


def test_nothing_found_is_compared_below_the_threshold(exported: ExportedModels) -> None:
    made = read(exported(mask_rcnn, 1.0, max_detections=5))
    (outputs,) = made.run(pictures((9,), SIZE_HW))
    assert outputs["masks"].shape == (0, 14, 14)
    assert made.report.passed
    assert made.report.figures["max_stage_error"] < 1e-4
    assert "candidates of any score were compared: every intermediate value agrees" in made.report.notes[-1]
    assert made.spec.thresholds.score == 0.5


@pytest.mark.parametrize("class_spread", [40.0, 1.0])
def test_heads_with_batch_normalisation_take_any_number_of_objects(
    class_spread: float, tmp_path: Path
) -> None:
    network = mask_rcnn(class_spread, normalised_heads=True)
    made = export(tmp_path, network, score_threshold=0.5, max_detections=20)
    (outputs,) = made.run(pictures((9,), SIZE_HW))
    assert (len(outputs["masks"]) > 0) == (class_spread > 1)
    assert made.report.passed
    assert "BatchNormalization" not in operators(made.model.graph)


@pytest.mark.parametrize("which", ["labels", "many", "dense"])
def test_graph_is_clean(which: str, request: pytest.FixtureRequest) -> None:
    exported: Exported = request.getfixturevalue(which)
    graph = exported.model.graph
    assert {entry.domain: entry.version for entry in exported.model.opset_import} == {"": 18}
    assert not exported.model.functions
    assert not {"BatchNormalization", "Constant", "Identity", "Dropout"} & operators(graph)
    read = {name for node in graph.node for name in node.input}
    assert all(tensor.name in read for tensor in graph.initializer)
    block = exported.path.read_bytes()
    for path in (str(Path.home()), str(Path.cwd()), "site-packages", "pkg.torch"):
        assert path.encode() not in block
    onnx.checker.check_model(exported.model, full_check=True)
    onnx.shape_inference.infer_shapes(exported.model, check_type=True, strict_mode=True, data_prop=True)


def test_nodes_know_the_line_and_module_they_come_from(labels: Exported) -> None:
    first = next(node for node in labels.model.graph.node if node.op_type == "Conv")
    origin = {entry.key: entry.value for entry in first.metadata_props}
    assert origin[SOURCE_KEY].startswith("models/resnet.py:")
    assert origin[MODULE_KEY].startswith("backbone.")


def test_what_a_network_computes_by_itself_is_of_its_class(many: Exported) -> None:
    pooling = [node for node in many.model.graph.node if node.op_type == "RoiAlign"]
    modules = {entry.value for node in pooling for entry in node.metadata_props if entry.key == MODULE_KEY}
    assert modules == {"MaskRCNN"}


EXPORT_AND_HASH = """
import hashlib, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from tests.export.small_networks import SIZE_HW, deeplab
from edgeseg.export.exporter import Settings, export_network
path = Path(sys.argv[2])
settings = Settings("deeplab", SIZE_HW, output_kind="labels", checkpoint_sha256="ab" * 32)
export_network(deeplab(), path, settings)
print(hashlib.sha256(path.read_bytes()).hexdigest())
"""


def test_the_same_network_gives_the_same_bytes_in_another_process(labels: Exported, tmp_path: Path) -> None:
    root = str(Path(__file__).parents[2])
    environment = {**os.environ, "PYTHONHASHSEED": "7"}
    command = [sys.executable, "-c", EXPORT_AND_HASH, root, str(tmp_path / "model.onnx")]
    again = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path, env=environment)
    assert again.stdout.strip() == hashlib.sha256(labels.path.read_bytes()).hexdigest()
    assert again.stderr == ""


def test_a_wrong_translation_does_not_pass_the_gate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    correct = lowering.dense.roi_align

    def coarser(features: Any, boxes: Any, strides: list[int], output_size: int, sampling_ratio: int) -> Any:
        return correct(features, boxes, [2 * stride for stride in strides], output_size, sampling_ratio)

    monkeypatch.setattr(lowering.dense, "roi_align", coarser)
    with pytest.raises(ParityError, match="tiny does not compute what PyTorch computes"):
        export(tmp_path, mask_rcnn(), lowering="dense", score_threshold=0.1, max_detections=20)
    assert list(tmp_path.iterdir()) == []


@torch.library.custom_op("edgeseg_tests::twice", mutates_args=())
def twice(image: Tensor) -> Tensor:
    return 2 * image


@twice.register_fake
def _(image: Tensor) -> Tensor:
    return torch.empty_like(image)


class Untranslatable(nn.Module):
    def forward(self, image: Tensor) -> Tensor:
        return twice(image)


class Branching(nn.Module):
    def forward(self, image: Tensor) -> Tensor:
        if image.mean() > 0:
            return image
        return -image


class Unsuitable(nn.Module):
    def forward(self, image: Tensor) -> Tensor:
        return torch.nn.functional.conv2d(image, torch.zeros(2, 1, 1, 1))


class NotFinite(nn.Module):
    def forward(self, image: Tensor) -> Tensor:
        return image / 0.0


class Cropped(nn.Module):
    def forward(self, image: Tensor) -> Tensor:
        return image[..., 12:-12, 12:-12]


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (Untranslatable(), "no ONNX translation for edgeseg_tests.twice"),
        (Branching(), r"cannot trace the network at test_exporter.py:\d+ \(forward\)"),
        (Unsuitable(), r"fails on a 1x3x64x96 image at test_exporter.py:\d+ \(forward\)"),
        (NotFinite(), "logits are not finite"),
        (Cropped(), "logits are 40x72 for an image of 64x96"),
    ],
)
def test_a_network_that_cannot_be_exported_is_named_in_one_line(
    module: nn.Module, message: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ExportError, match=message) as caught:
        export(tmp_path, Network(module, "semantic"))
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"batch": 2}, "use the dense lowering for a batch"),
        ({"batch": 0}, "at least 1"),
        ({"score_threshold": 1.0}, "below 1"),
        ({"max_detections": 0}, "limited to 1"),
    ],
)
def test_settings_that_cannot_be_met(settings: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=message):
        export(tmp_path, mask_rcnn(), **settings)


def test_given_images_are_compared_and_must_have_the_networks_size(tmp_path: Path) -> None:
    images = pictures(range(50, 53), SIZE_HW)
    path = tmp_path / "model.onnx"
    report = export_network(unet(), path, Settings("tiny", SIZE_HW), images=images).parity
    assert report.images == 5  # two generated ones, three given
    with pytest.raises(ShapeError, match=r"images must be \(M, 64, 96, 3\) uint8, got \(3, 64, 90, 3\)"):
        export_network(unet(), path, Settings("tiny", SIZE_HW), images=images[:, :, 6:])


def test_a_network_for_grey_images(tmp_path: Path) -> None:
    torch.manual_seed(0)
    # the paper's form, whose convolutions are not padded
    module = UNet(2, in_channels=1, width=4, depth=2, border="mirror", batch_norm=False, bias=True).eval()
    network = Network(module, "semantic", (0.0,) * 3, (1.0,) * 3, channel_order="grey")
    exported = export(tmp_path, network, output_kind="logits")
    assert exported.spec.graph.network_channel_order == "grey"
    image = pictures((9,), SIZE_HW)
    (found,) = exported.run(image)
    grey = cv2.cvtColor(image[0].astype(np.float32) / 255, cv2.COLOR_BGR2GRAY)  # unrounded, as in the graph
    with torch.inference_mode():
        expected = module(torch.from_numpy(grey)[None, None])[0].numpy()
    np.testing.assert_allclose(found["logits"], expected, atol=1e-4)


def test_a_network_for_bgr_images(tmp_path: Path) -> None:
    torch.manual_seed(0)
    module = nn.Conv2d(3, 2, 1)
    network = Network(
        module, "semantic", (123.675, 116.28, 103.53), (1.0,) * 3, channel_order="bgr", divide_by_255="never"
    )
    exported = export(tmp_path, network, output_kind="logits")
    image = pictures((9,), SIZE_HW)
    (found,) = exported.run(image)
    blue_first = image[0].astype(np.float32) - np.array([103.53, 116.28, 123.675], np.float32)
    with torch.inference_mode():
        expected = module(torch.from_numpy(blue_first).permute(2, 0, 1)[None])[0].numpy()
    np.testing.assert_allclose(found["logits"], expected, rtol=1e-5, atol=1e-3)


def test_a_network_of_other_channels_says_how_to_fix_it(tmp_path: Path) -> None:
    for channels, advice in ((1, 'channel_order="grey"'), (4, "say --channels 4, or return Network")):
        network = Network(nn.Conv2d(channels, 2, 1), "semantic")
        with pytest.raises(ExportError, match=advice):
            export(tmp_path, network)


def test_there_must_be_a_name_for_each_class(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="3 classes, background among them, but 2 names are given"):
        export(tmp_path, unet(), class_names=("background", "cell"))


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ExportError, match="cannot write"):
        export_network(unet(), tmp_path / "file" / "model.onnx", Settings("tiny", SIZE_HW))
