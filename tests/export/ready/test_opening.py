"""Files that hold a network whole become portable models that compute what the file computes."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from edgeseg.errors import CheckpointError, ExportError, UsageError
from edgeseg.export import export
from edgeseg.export.opening import open_trained
from edgeseg.graph.running import open_run
from edgeseg.spec import Head
from tests.export.ready.ready_files import (
    CLASSES,
    SIZE_HW,
    ChannelsLast,
    TwoOutputs,
    tiny,
    with_bytes,
    with_weights_as_inputs,
    write_onnx,
    write_program,
    write_torchscript,
)

PIXELS = {"mean_rgb": (0.5, 0.4, 0.3), "std_rgb": (0.2, 0.3, 0.4), "channel_order": "bgr"}
EXACT = 1e-4  # of logits of about 1, in float32


def scores_of(path: Path, frame: np.ndarray) -> np.ndarray:
    """Run a portable model on an image (H, W, 3)."""
    return open_run(path)(frame[None])["logits"]


def normalised(frame: np.ndarray) -> torch.Tensor:
    """Bring a frame (H, W, 3) to what `PIXELS` say, (1, 3, H, W)."""
    mean, std = (torch.tensor(PIXELS[name][::-1]).reshape(3, 1, 1) for name in ("mean_rgb", "std_rgb"))
    return ((torch.from_numpy(frame).permute(2, 0, 1) / 255 - mean) / std)[None]


def frame_of_noise() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (*SIZE_HW, 3), np.uint8)


@pytest.mark.parametrize("opset", [7, 11, 21])
def test_a_graph_of_any_opset_is_given_the_pixels_it_was_trained_on(tmp_path: Path, opset: int) -> None:
    module = tiny()
    sizes = {"dynamic_axes": {"pixels": {0: "n", 2: "h", 3: "w"}}} if opset == 11 else {}
    ready = write_onnx(module, tmp_path / "ready.onnx", opset=opset, **sizes)
    made = export(str(ready), tmp_path / "made.onnx", size_hw=SIZE_HW, **PIXELS)
    frame = frame_of_noise()
    with torch.inference_mode():
        expected = module(normalised(frame)).numpy()
    assert np.abs(scores_of(made.path, frame) - expected).max() < EXACT
    assert made.parity.reference == "the graph as it came, in ONNX Runtime"
    assert any("reference evaluator agrees" in note for note in made.parity.notes)
    assert made.spec.source.network == "ready.onnx"


def test_weights_that_are_inputs_too_stay_what_they_are(tmp_path: Path) -> None:
    ready = with_weights_as_inputs(write_onnx(tiny(), tmp_path / "ready.onnx", opset=9))
    made = export(str(ready), tmp_path / "made.onnx", size_hw=SIZE_HW)
    session = onnxruntime.InferenceSession(made.path, providers=["CPUExecutionProvider"])
    assert [value.name for value in session.get_inputs()] == ["image"]


def test_nodes_need_not_be_sorted(tmp_path: Path) -> None:
    """Tools that turn weights into half precision leave the cast of the image at the end of the nodes."""
    module = tiny()
    ready = write_onnx(module, tmp_path / "ready.onnx")
    model = onnx.load(ready)
    nodes = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend([*nodes[1:], nodes[0]])
    onnx.save(model, ready)
    made = export(str(ready), tmp_path / "made.onnx", size_hw=SIZE_HW, **PIXELS)
    frame = frame_of_noise()
    with torch.inference_mode():
        expected = module(normalised(frame)).numpy()
    assert np.abs(scores_of(made.path, frame) - expected).max() < EXACT


def test_a_graph_in_half_precision_is_computed_in_float32_and_held_against_itself(tmp_path: Path) -> None:
    layers = nn.Conv2d(3, 6, 3, stride=2, padding=1), nn.ReLU(), nn.Conv2d(6, CLASSES, 1)
    module = nn.Sequential(*layers).eval().half()
    image = torch.zeros(1, 3, *SIZE_HW, dtype=torch.float16)
    ready = write_onnx(module, tmp_path / "ready.onnx", image=image)
    made = export(str(ready), tmp_path / "made.onnx", **PIXELS)
    frame = frame_of_noise()
    with torch.inference_mode():
        expected = module.float()(normalised(frame)).numpy()  # of the very same weights
    assert np.abs(scores_of(made.path, frame) - expected).max() < EXACT
    assert "widened to float32" in made.parity.reference
    assert 0 < made.parity.figures["half_precision_error"] < 2e-2


def test_data_in_other_files_come_into_the_one(tmp_path: Path) -> None:
    ready = write_onnx(tiny(), tmp_path / "ready.onnx")
    plain = open_trained(str(ready)).checkpoint_sha256
    onnx.save(onnx.load(ready), ready, save_as_external_data=True, size_threshold=0, location="ready.data")
    opened = open_trained(str(ready))
    assert opened.checkpoint_sha256 != plain
    made = export(str(ready), tmp_path / "made.onnx", size_hw=SIZE_HW)
    assert made.parity.passed
    (tmp_path / "ready.data").unlink()
    assert scores_of(made.path, frame_of_noise()).shape == (1, CLASSES, *(side // 2 for side in SIZE_HW))


def test_a_graph_of_bytes_is_given_them_in_the_order_of_its_own_mean(tmp_path: Path) -> None:
    module = tiny()
    ready = with_bytes(write_onnx(module, tmp_path / "ready.onnx"))
    made = export(str(ready), tmp_path / "made.onnx", size_hw=SIZE_HW)
    frame = frame_of_noise()
    own = (frame - np.array([103.53, 116.28, 123.675])) / np.array([57.375, 57.12, 58.395])
    with torch.inference_mode():
        expected = module(torch.from_numpy(own.astype(np.float32)).permute(2, 0, 1)[None]).numpy()
    assert np.abs(scores_of(made.path, frame) - expected).max() < EXACT
    assert made.spec.graph.network_channel_order == "bgr"
    assert any("takes bytes" in note for note in made.notes)
    with pytest.raises(UsageError, match="leave out --mean"):
        export(str(ready), tmp_path / "no.onnx", size_hw=SIZE_HW, mean_rgb=(0, 0, 0), std_rgb=(2, 2, 2))


@pytest.mark.parametrize("head", ["logits", "softmax", "labels"])
def test_maps_of_a_graph_may_have_their_channels_last(tmp_path: Path, head: Head) -> None:
    module = tiny()
    ends = {"logits": nn.Identity(), "softmax": nn.Softmax(1), "labels": Largest()}
    whole = ChannelsLast(nn.Sequential(module, ends[head])).eval()
    image = torch.zeros(1, *SIZE_HW, 3)
    ready = write_onnx(whole, tmp_path / "ready.onnx", image=image, dynamic_axes={"pixels": {0: "n"}})
    classes = CLASSES if head == "labels" else None
    made = export(
        str(ready), tmp_path / "made.onnx", head=head, num_classes=classes, output_kind="labels", **PIXELS
    )
    frame = frame_of_noise()
    with torch.inference_mode():
        scores = module(normalised(frame))
    if head == "labels":
        expected = scores.argmax(dim=1).repeat_interleave(2, dim=1).repeat_interleave(2, dim=2)
    else:
        scores = scores if head == "logits" else scores.softmax(1).log()
        expected = nn.functional.interpolate(scores, SIZE_HW, mode="bilinear").argmax(dim=1)
    assert (open_run(made.path)(frame[None])["labels"] == expected.numpy()).mean() > 0.999


def test_several_outputs_are_chosen_from_by_name(tmp_path: Path) -> None:
    ready = write_onnx(TwoOutputs().eval(), tmp_path / "ready.onnx", output_names=["scores", "aux"])
    with pytest.raises(UsageError, match=r"scores \(1x3x16x24\), aux \(1x3x32x48\)"):
        export(str(ready), tmp_path / "made.onnx", size_hw=SIZE_HW)
    made = export(str(ready), tmp_path / "made.onnx", size_hw=SIZE_HW, output_of="aux")
    assert made.spec.outputs[0].shape == (1, CLASSES, *SIZE_HW)


def test_probabilities_inside_the_graph_are_asked_about_and_read_as_such(tmp_path: Path) -> None:
    ready = write_onnx(nn.Sequential(tiny(), nn.Softmax(1)), tmp_path / "ready.onnx")
    with pytest.raises(UsageError, match="--head softmax"):
        export(str(ready), tmp_path / "made.onnx", size_hw=SIZE_HW)
    made = export(str(ready), tmp_path / "made.onnx", size_hw=SIZE_HW, head="softmax")
    assert made.spec.head.kind == "softmax"


class Binary(nn.Module):
    """One channel of foreground, as a probability."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.last = tiny(), nn.Conv2d(CLASSES, 1, 1)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Give (N, 1, h, w)."""
        return self.last(self.body(image)).sigmoid()


class Largest(nn.Module):
    """The largest channel's number, as the one channel (N, 1, h, w)."""

    def forward(self, scores: torch.Tensor) -> torch.Tensor:
        """Give int64."""
        return scores.argmax(dim=1, keepdim=True)


class Labels(nn.Module):
    """The class of each pixel, at the image's size, whatever that is."""

    def __init__(self) -> None:
        super().__init__()
        self.body = tiny()

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Give (N, H, W)."""
        scores = self.body(image)
        whole = nn.functional.interpolate(scores, size=image.shape[2:], mode="bilinear", align_corners=False)
        return whole.argmax(dim=1)


def test_one_channel_of_probabilities_is_foreground(tmp_path: Path) -> None:
    module = Binary().eval()
    ready = write_onnx(module, tmp_path / "ready.onnx", opset=13)
    made = export(str(ready), tmp_path / "made.onnx", size_hw=SIZE_HW, head="sigmoid", **PIXELS)
    assert made.spec.class_names == ("background", "class 1")
    frame = frame_of_noise()
    logits = scores_of(made.path, frame)[0]
    with torch.inference_mode():
        expected = module(normalised(frame))[0, 0].numpy() > 0.5
    np.testing.assert_array_equal(logits.argmax(axis=0), expected)


def test_labels_inside_the_graph_are_its_labels(tmp_path: Path) -> None:
    """Sizes are free, so that the graph computes shapes; its weights lie in a file beside it."""
    module = Labels().eval()
    sizes = {"dynamic_axes": {"pixels": {0: "n", 2: "h", 3: "w"}, "scores": {0: "n", 1: "h", 2: "w"}}}
    ready = write_onnx(module, tmp_path / "ready.onnx", opset=12, **sizes)
    onnx.save(
        onnx.load(ready),
        ready,
        save_as_external_data=True,
        location="weights.bin",
        size_threshold=0,
    )
    made = export(
        str(ready), tmp_path / "made.onnx", size_hw=SIZE_HW, head="labels", num_classes=CLASSES, **PIXELS
    )
    frame = frame_of_noise()
    with torch.inference_mode():
        expected = module(normalised(frame)).numpy()
    np.testing.assert_array_equal(open_run(made.path)(frame[None])["labels"], expected)


def test_a_graph_of_more_channels_is_given_what_a_frame_holds(tmp_path: Path) -> None:
    ready = write_onnx(tiny(5), tmp_path / "ready.onnx", channels=5)
    with pytest.raises(UsageError, match=r"images of 5 channels.*say --channels 5 --channel-order stored"):
        export(str(ready), tmp_path / "made.onnx", size_hw=SIZE_HW)
    numbers = (0.5,) * 5
    made = export(
        str(ready),
        tmp_path / "made.onnx",
        size_hw=SIZE_HW,
        channels=5,
        channel_order="stored",
        mean_rgb=numbers,
        std_rgb=numbers,
    )
    assert made.spec.input.channels == 5


@pytest.mark.parametrize("kind", ["TorchScript", "program"])
def test_other_kinds_of_files_are_proven_against_themselves(tmp_path: Path, kind: str) -> None:
    module = TwoOutputs().eval()
    write, name = {
        "TorchScript": (write_torchscript, "ready.pt"),
        "program": (write_program, "ready.pt2"),
    }[kind]
    ready = write(module, tmp_path / name)
    made = export(str(ready), tmp_path / "made.onnx", size_hw=SIZE_HW, output_of="scores", **PIXELS)
    assert kind in made.parity.reference
    weights = {tensor.dims[-1] for tensor in onnx.load(made.path).graph.initializer if len(tensor.dims) == 4}
    assert {1, 3} <= weights  # of both kernels, where int8 looks for weights
    frame = frame_of_noise()
    same = export(module, tmp_path / "same.onnx", size_hw=SIZE_HW, output_of="scores", **PIXELS)
    assert np.abs(scores_of(made.path, frame) - scores_of(same.path, frame)).max() < EXACT


def test_a_program_of_free_sizes_is_taken_though_it_brings_checks_of_them(tmp_path: Path) -> None:
    path, free = tmp_path / "ready.pt2", torch.export.Dim.AUTO
    image = torch.zeros(2, 3, 64, 96)
    sizes = ({0: free, 2: free, 3: free},)
    torch.export.save(torch.export.export(tiny(), (image,), dynamic_shapes=sizes), path)
    with zipfile.ZipFile(path) as archive:
        model = archive.read("ready/models/model.json").decode()
    assert "size()" in model[model.index("guards_code") :]
    made = export(str(path), tmp_path / "made.onnx", size_hw=SIZE_HW, **PIXELS)
    assert made.spec.outputs[0].shape == (1, CLASSES, SIZE_HW[0] // 2, SIZE_HW[1] // 2)


def test_a_size_that_the_graph_does_not_take_is_refused_with_its_own(tmp_path: Path) -> None:
    ready = write_onnx(tiny(), tmp_path / "ready.onnx")
    with pytest.raises(UsageError, match="takes images of 32x48, not 64x64"):
        export(str(ready), tmp_path / "made.onnx", size_hw=(64, 64))
    assert export(str(ready), tmp_path / "made.onnx").spec.input.height == SIZE_HW[0]


def test_what_is_no_image_is_refused(tmp_path: Path) -> None:
    ready = write_onnx(tiny(), tmp_path / "ready.onnx")
    model = onnx.load(ready)
    model.graph.input.append(onnx.helper.make_tensor_value_info("im_info", onnx.TensorProto.FLOAT, [1, 3]))
    onnx.save(model, ready)
    with pytest.raises(ExportError, match=r"has 2 inputs \(pixels, im_info\)"):
        open_trained(str(ready))


def test_plugins_are_refused_by_name(tmp_path: Path) -> None:
    ready = write_onnx(tiny(), tmp_path / "ready.onnx")
    model = onnx.load(ready)
    model.graph.node[0].domain = "mmdeploy"
    onnx.save(model, ready)
    with pytest.raises(ExportError, match="mmdeploy::Conv"):
        open_trained(str(ready))


def test_a_pickled_module_is_run_for_those_who_trust_it_once_it_is_named(tmp_path: Path) -> None:
    path, said = tmp_path / "whole.pth", []
    torch.save(tiny(), path, pickle_protocol=4)
    with pytest.raises(CheckpointError, match=r"runs .*torch\.nn\.modules.*--trust"):
        open_trained(str(path))
    opened = open_trained(str(path), trust=True, on_run=said.append)
    assert isinstance(opened.network.module, nn.Sequential)
    assert "torch.nn.modules.container.Sequential" in said[0]


def test_weights_alone_are_sent_to_the_network_that_they_are_of(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    torch.save(tiny().state_dict(), path)
    with pytest.raises(CheckpointError, match="--weights"):
        open_trained(str(path))
