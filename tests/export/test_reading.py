"""From a network of any head to labels, confidences and masks: what its own output means in PyTorch."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from edgeseg.errors import ExportError, UsageError
from edgeseg.export.exporter import Settings, export_network
from edgeseg.export.reading import read
from edgeseg.frames.geometry import place
from edgeseg.frames.results import SemanticResult
from edgeseg.frames.semantic import semantic_result
from edgeseg.graph.portable import PortableModel
from edgeseg.graph.running import open_run
from edgeseg.models.network import Network
from edgeseg.proof.report import ParityReport
from edgeseg.scenes.pictures import picture, pictures
from edgeseg.spec import Head

SIZE_HW = (24, 32)
PLAIN = ((0.0,) * 3, (1.0,) * 3)
FRAMES = pictures((0, 1), SIZE_HW)


class Computed(nn.Module):
    """A network whose output is a function of the pixels, RGB in 0..1."""

    def __init__(self, function: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, image: Tensor) -> Any:
        return self.function(image)


def scores(image: Tensor) -> Tensor:
    """Dark, red, green, blue: logits of four classes."""
    return 8 * torch.cat([torch.full_like(image[:, :1], 0.45), image], dim=1)


def redness(image: Tensor) -> Tensor:
    return 20 * (image[:, :1] - 0.5)


def export(
    path: Path, function: Callable[[Tensor], Any], head: Head | None = None, **rest: Any
) -> ParityReport:
    fields = {field.name for field in dataclasses.fields(Network)}
    own = {name: value for name, value in rest.items() if name in fields}
    settings = {name: value for name, value in rest.items() if name not in fields}
    network = Network(Computed(function), "semantic", *PLAIN, head=head, **own)
    return export_network(network, path, Settings("computed", SIZE_HW, **settings)).parity


def segment(path: Path, image: np.ndarray, *, confidence: bool = False) -> SemanticResult:
    spec = PortableModel.read(path).spec
    outputs = open_run(path)(image[None])
    placement = place(SIZE_HW, spec.input)
    return semantic_result(outputs, placement, head=spec.head, confidence=confidence)


def torch_says(function: Callable[[Tensor], Tensor], image: np.ndarray) -> np.ndarray:
    rgb = torch.from_numpy(image[..., ::-1].copy()).permute(2, 0, 1)[None] / 255
    return function(rgb)[0].numpy()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "model.onnx"


IMAGE = picture(7, SIZE_HW)


@pytest.mark.parametrize("squeezed", [False, True])
def test_a_sigmoid_is_cut_at_its_threshold(squeezed: bool, path: Path) -> None:
    def function(image: Tensor) -> Tensor:
        likely = torch.sigmoid(redness(image))
        return likely[:, 0] if squeezed else likely

    report = export(path, function, "sigmoid", head_threshold=0.2, output_kind="logits")
    likely = torch_says(lambda image: torch.sigmoid(redness(image)), IMAGE)[0]
    result = segment(path, IMAGE, confidence=True)
    np.testing.assert_array_equal(result.labels, likely > 0.2)
    assert 0 < result.labels.mean() < 1
    np.testing.assert_allclose(result.confidence, np.where(likely > 0.2, likely, 1 - likely), atol=2e-4)
    assert report.figures["head_agreement"] == 1
    assert report.figures["max_probability_error"] < 2e-4
    assert report.notes[0].startswith("head: sigmoid, threshold 0.2 (the network gives 1 channel")


def test_a_softmaxs_confidence_is_its_own(path: Path) -> None:
    export(path, lambda image: scores(image).softmax(dim=1), "softmax", output_kind="logits")
    result = segment(path, IMAGE, confidence=True)
    likely = torch_says(lambda image: scores(image).softmax(dim=1), IMAGE)
    np.testing.assert_array_equal(result.labels, likely.argmax(axis=0))
    np.testing.assert_allclose(result.confidence, likely.max(axis=0), atol=1e-5)


@pytest.mark.parametrize("as_float", [False, True])
def test_labels_decided_inside_stay_what_they_are(as_float: bool, path: Path) -> None:
    def function(image: Tensor) -> Tensor:
        labels = scores(image).argmax(dim=1, keepdim=not as_float)
        return labels.float() if as_float else labels

    export(path, function, "labels", num_classes=4)
    spec = PortableModel.read(path).spec
    assert (spec.output_kind, len(spec.class_names)) == ("labels", 4)
    expected = torch_says(scores, IMAGE).argmax(axis=0)
    np.testing.assert_array_equal(segment(path, IMAGE).labels, expected)
    assert len(np.unique(expected)) == 4


@pytest.mark.parametrize("as_log_odds", [False, True])
def test_classes_that_overlap_have_a_mask_each(as_log_odds: bool, path: Path) -> None:
    def function(image: Tensor) -> Tensor:
        log_odds = 20 * (image - 0.4)
        return log_odds if as_log_odds else torch.sigmoid(log_odds)

    export(path, function, "multilabel", head_threshold=0.6)
    spec = PortableModel.read(path).spec
    assert spec.class_names == ("class 0", "class 1", "class 2")
    assert (0, 0, 0) not in spec.palette_rgb
    likely = torch_says(lambda image: torch.sigmoid(20 * (image - 0.4)), IMAGE)
    result = segment(path, IMAGE)
    np.testing.assert_array_equal(result.masks, likely > 0.6)
    assert (likely > 0.6).sum(axis=0).max() > 1
    expected = np.where(likely.max(axis=0) > 0.6, likely.argmax(axis=0), 255)
    np.testing.assert_array_equal(result.labels, expected)


@pytest.mark.parametrize(
    ("head", "settings", "message"),
    [
        (None, {}, "what does the network's output mean.*--head sigmoid"),
        ("logits", {}, "contradicts the head 'logits'.*--head sigmoid"),
        ("labels", {}, "contradicts the head 'labels'"),
        ("multilabel", {"output_kind": "labels"}, "leave --output-kind out"),
        ("sigmoid", {"head_threshold": 0.0}, "threshold must be 0.001 to 0.999"),
        ("sigmoid", {"output": 1}, "no output 1; it gives 1x1x24x32"),
    ],
)
def test_what_a_sigmoid_is_not_is_refused_and_nothing_written(
    head: Head | None, settings: dict[str, Any], message: str, path: Path
) -> None:
    with pytest.raises(UsageError, match=message):
        export(path, lambda image: torch.sigmoid(redness(image)), head, **settings)
    assert not list(path.parent.iterdir())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "give the names, --classes FILE, or their number, --num-classes N"),
        ({"num_classes": 3}, "gives the label 3, but 3 classes are said to be there, 0 to 2"),
        ({"num_classes": 4, "output_kind": "logits"}, "has no logits; leave --output-kind out"),
        ({"num_classes": 4, "head_threshold": 0.4}, "leave the threshold out"),
    ],
)
def test_labels_need_the_number_of_classes_and_nothing_else(
    settings: dict[str, Any], message: str, path: Path
) -> None:
    with pytest.raises(UsageError, match=message):
        export(path, lambda image: scores(image).argmax(dim=1), "labels", **settings)


def test_a_class_that_covers_everything_or_nothing_is_said(path: Path) -> None:
    report = export(path, lambda image: redness(image).abs() + 1, class_names=("ground", "water"))
    assert "water covers every pixel of all 4 images of the proof" in report.notes
    assert "in none of the 4 images of the proof: ground" in report.notes


def test_of_several_outputs_the_one_asked_for_is_proven_and_all_are_said(path: Path) -> None:
    def function(image: Tensor) -> list[Tensor]:
        coarse = nn.functional.avg_pool2d(scores(image), 4)
        return [coarse, scores(image), redness(image)]

    with pytest.raises(UsageError, match=r"0 \(1x4x6x8\), 1 \(1x4x24x32\), 2 \(1x1x24x32\)"):
        export(path, function)
    report = export(path, function, output=1)
    assert report.notes[0] == (
        "of the network's outputs, 0 (1x4x6x8), 1 (1x4x24x32), 2 (1x1x24x32), 1 was taken"
    )
    np.testing.assert_array_equal(segment(path, IMAGE).labels, torch_says(scores, IMAGE).argmax(axis=0))


def test_a_network_that_gives_no_image_is_named(path: Path) -> None:
    with pytest.raises(ExportError, match=r"must return logits \(N, C, h, w\).*got 1x3"):
        export(path, lambda image: image.mean(dim=(2, 3)))


def test_what_labels_cost_on_larger_frames_is_measured(path: Path) -> None:
    report = export(path, scores, output_kind="labels")
    (note,) = [note for note in report.notes if note.startswith("labels at the input's size")]
    assert "on frames of 2 times its sides" in note
    assert "points of class overlap; --output-kind logits costs none" in note


@pytest.mark.parametrize("frame_hw", [(24, 32), (25, 34), (48, 64), (61, 50)])
def test_labels_of_any_frame_are_those_of_the_upsampled_logits(frame_hw: tuple[int, int], path: Path) -> None:
    def function(image: Tensor) -> Tensor:
        return nn.functional.avg_pool2d(scores(image), 4)

    export(path, function)
    spec = PortableModel.read(path).spec
    assert spec.output_kind == "logits"
    labels = semantic_result(open_run(path)(IMAGE[None]), place(frame_hw, spec.input)).labels
    logits = torch.from_numpy(torch_says(function, IMAGE))[None]
    full = nn.functional.interpolate(logits, size=frame_hw, mode="bilinear", align_corners=False)[0]
    first, second = full.topk(2, dim=0).values
    differs = torch.from_numpy(labels) != full.argmax(dim=0)
    assert not (differs & (first - second > 1e-4)).any()  # all but ties within rounding
    assert len(np.unique(labels)) > 1


class Heads(nn.Module):
    """Scores at three resolutions, put together as a library does."""

    def __init__(self, put: Callable[[list[Tensor]], Any]) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.ModuleList(nn.Conv2d(3, 3, 3, stride=stride, padding=1) for stride in (1, 2, 4))
        self.put = put

    def forward(self, image: Tensor) -> Any:
        return self.put([layer(image) for layer in self.layers])


@pytest.mark.parametrize(
    ("put", "key"),
    [
        (lambda heads: heads, "0"),  # deep supervision, the finest first
        (lambda heads: (heads[0], heads[1:]), "0"),
        (lambda heads: [{"out": head} for head in heads], "0.out"),
        (lambda heads: {"out": heads[0], "aux": heads[1]}, "out"),
        (lambda heads: {"logits": heads[2], "hidden_states": (heads[0][:, :2],), "loss": None}, "logits"),
        (lambda heads: (heads[0], heads[0].mean((2, 3))), "0"),
    ],
    ids=["list", "nested", "dicts", "aux", "hidden", "classifier"],
)
def test_of_many_heads_the_finest_is_taken_where_nothing_else_can_be_meant(
    put: Callable[[list[Tensor]], Any], key: str
) -> None:
    taken = read(Network(Heads(put), "semantic"), FRAMES, 1)
    assert (taken.reading.key, taken.reading.head.kind) == (key, "logits")


@pytest.mark.parametrize(
    ("put", "wanted"),
    [
        (lambda heads: heads[::-1], -1),  # the finest last
        (lambda heads: [heads[0], heads[0] / 2], 0),
        (lambda heads: {"head": {"out": heads[0]}, "aux": {"out": heads[1]}}, "head.out"),
        (lambda heads: (heads[0].argmax(1), heads[0]), 1),
        (lambda heads: {"seg": heads[0], "boundary": heads[0][:, :1]}, "seg"),
    ],
    ids=["coarse first", "same size", "dicts", "labels too", "tasks"],
)
def test_heads_that_may_be_meant_as_well_are_asked_for_and_can_be_named(
    put: Callable[[list[Tensor]], Any], wanted: int | str
) -> None:
    network = Network(Heads(put), "semantic")
    with pytest.raises(UsageError, match=r"It gives .*--output-index N or --output-key NAME"):
        read(network, FRAMES, 1)
    raws = read(dataclasses.replace(network, output=wanted), FRAMES, 1).raws
    assert [raw.shape for raw in raws] == [(3, *SIZE_HW)] * 2


def test_a_lost_axis_of_images_is_not_read_as_other_classes() -> None:
    network = Network(Heads(lambda heads: heads[0][0]), "semantic")
    with pytest.raises(ExportError, match=r"given 1 image, its output 3x24x32 is of 3"):
        read(network, FRAMES, 1)
