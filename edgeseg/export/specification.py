"""Make the ModelSpec that goes with a graph of export settings and what PyTorch computed once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, cast

import onnx
import onnxscript
import torch

import edgeseg
from edgeseg.errors import ExportError, UsageError
from edgeseg.export.crf import stride_of
from edgeseg.graph.outputs import Outputs
from edgeseg.models.mask_rcnn import MaskRCNN
from edgeseg.models.zoo import Network
from edgeseg.palette import Background, RGBColour, default_palette, with_background
from edgeseg.proof.tolerances import FP32, Tolerances
from edgeseg.spec import (
    DENSE_CRF,
    LOGITS_HEAD,
    MAX_CLASSES,
    MAX_SIDE,
    OUTPUT_NAMES,
    WHITE,
    CRFSpec,
    GraphSpec,
    Head,
    HeadSpec,
    InputSpec,
    Lowering,
    ModelSpec,
    OutputKind,
    OutputSpec,
    Provenance,
    Thresholds,
)

MOST_DETECTIONS = 1000  # an image; far more than any mask head is run on


@dataclass(frozen=True)
class Settings:
    """How a network is exported.

    Attributes:
        name: of the network, for the record.
        size_hw: input size in pixels.
        lowering: how ROI-Align and suppression become nodes.
        output_kind: of semantic networks; by default logits, or labels where the network gives them itself.
        batch: images a run; the `onnx` lowering of instance networks takes one.
        score_threshold, max_detections: of instance networks.
        class_names: background first; by default the network's own, or numbers.
        num_classes: of a network that gives labels itself, where there are no names.
        checkpoint_sha256: of the weights, for the record.
        palette_rgb: a colour for each class; well separated ones by default.
        background: the class that overlays leave unpainted, or `none`; `named`: class 0 if its name says so.
        crf: has the graph of a semantic network refine its logits so.
        crf_stride: pixels per side of the CRF's cells, see `crf.stride_of`; by default what memory allows.
        tolerances: of the parity gate.
    """

    name: str
    size_hw: tuple[int, int]
    lowering: Lowering = "onnx"
    output_kind: Literal["labels", "logits"] | None = None
    batch: int = 1
    score_threshold: float = 0.5
    max_detections: int = 100
    class_names: Sequence[str] | None = None
    num_classes: int | None = None
    checkpoint_sha256: str | None = None
    palette_rgb: tuple[RGBColour, ...] = ()
    background: Background = "named"
    crf: CRFSpec | None = None
    crf_stride: int | None = None
    tolerances: Tolerances = FP32


def check_settings(network: Network, settings: Settings) -> None:
    """Refuse what cannot be exported before any work is done.

    Raises:
        UsageError: saying what to ask for instead.
    """
    height, width = settings.size_hw
    if not (1 <= height <= MAX_SIDE and 1 <= width <= MAX_SIDE):
        raise UsageError(f"the input must be 1 to {MAX_SIDE} pixels a side, got {height}x{width}")
    if settings.batch < 1:
        raise UsageError(f"the batch must be at least 1, got {settings.batch}")
    _check_normalisation(network)
    if settings.crf is None and settings.crf_stride is not None:
        raise UsageError("a stride of the CRF was given, but no CRF asked for; add --crf")
    if network.task == "semantic":
        if settings.crf is not None:
            crf_stride_of(settings)
        if network.head is not None:
            check_head(network.head, settings)
        HeadSpec("logits", network.head_threshold)  # refuses what is out of range
        return
    if (network.head, network.head_threshold, network.output) != (None, LOGITS_HEAD.threshold, None):
        raise UsageError("a head, its threshold and the choice of an output are for semantic networks")
    if settings.crf is not None:
        raise UsageError(
            "the CRF refines one class per pixel, as U-Net and DeepLab give it, but Mask R-CNN gives a mask "
            "for each object; export it without --crf"
        )
    if settings.lowering == "onnx" and settings.batch != 1:
        raise UsageError(
            "the onnx lowering gives as many detections as it finds, so it takes 1 image a run, not "
            f"{settings.batch}; use the dense lowering for a batch"
        )
    if not 0.0 <= settings.score_threshold < 1.0:
        raise UsageError(
            f"the score threshold must be at least 0 and below 1, got {settings.score_threshold:g}"
        )
    if not 1 <= settings.max_detections <= MOST_DETECTIONS:
        raise UsageError(
            f"detections must be limited to 1 to {MOST_DETECTIONS}, got {settings.max_detections}"
        )


def check_head(head: Head, settings: Settings) -> None:
    """Refuse what a head cannot give.

    Raises:
        UsageError: saying what to ask for instead.
    """
    if head not in ("labels", "multilabel"):
        return
    if settings.crf is not None:
        raise UsageError(
            "the CRF weighs one class against the others by their logits, "
            + ("this network gives labels alone" if head == "labels" else "these classes may overlap")
            + "; export it without --crf"
        )
    if head == "labels" and settings.output_kind == "logits":
        raise UsageError("a network that gives labels itself has no logits; leave --output-kind out")
    if head == "multilabel" and settings.output_kind == "labels":
        raise UsageError(
            "classes that may overlap do not fit into one label a pixel; leave --output-kind out: "
            "the runtime makes masks of the logits"
        )


def output_kind_of(head: Head, settings: Settings) -> Literal["labels", "logits"]:
    """Give the kind of outputs that a semantic graph will have."""
    return settings.output_kind or ("labels" if head == "labels" else "logits")


def specify(
    network: Network, settings: Settings, outputs: Outputs, head: HeadSpec | None = None
) -> ModelSpec:
    """Describe the graph.

    Args:
        head: of a semantic network; logits by default.
        outputs: what PyTorch computed for one image, for the shapes.

    Raises:
        ExportError: if the logits do not cover the image.
        UsageError: if there is not one name a class.
    """
    head = head or LOGITS_HEAD
    kind: OutputKind = "instances"
    if network.task == "semantic":
        kind = output_kind_of(head.kind, settings)
        classes = _semantic_classes(network, settings, outputs)
        thresholds = Thresholds()
    else:
        classes = cast(MaskRCNN, network.module).roi_heads.box_predictor.cls_score.out_features
        thresholds = Thresholds(score=settings.score_threshold)
    mean_rgb, std_rgb = network.unit_scale()
    names = _class_names(network, classes, settings.class_names, head)
    return ModelSpec(
        task=network.task,
        class_names=names,
        input=describe_input(network, settings),
        graph=GraphSpec(
            mean_rgb=mean_rgb,
            std_rgb=std_rgb,
            lowering=settings.lowering,
            network_channel_order=network.channel_order,
            divide_by_255=network.divide_by_255,
            crf_stride=crf_stride_of(settings),
            float32_modules=() if settings.crf is None else (DENSE_CRF,),
        ),
        output_kind=kind,
        outputs=tuple(_output(name, outputs, kind, settings) for name in OUTPUT_NAMES[kind]),
        source=Provenance(
            network=settings.name,
            checkpoint_sha256=settings.checkpoint_sha256,
            tools={
                "edgeseg": edgeseg.__version__,
                "onnx": onnx.__version__,
                "onnxscript": onnxscript.__version__,
                "torch": torch.__version__,
            },
        ),
        palette_rgb=_palette(names, settings),
        thresholds=thresholds,
        crf=settings.crf,
        head=head,
    )


def crf_stride_of(settings: Settings) -> int | None:
    """Give the stride of the graph's CRF, None if it has none; raises as `crf.stride_of`."""
    return stride_of(settings.size_hw, settings.batch, settings.crf_stride) if settings.crf else None


def describe_input(network: Network, settings: Settings) -> InputSpec:
    """Say what the graph will take, and how a frame becomes it; the settings must have been checked."""
    mean_rgb, _ = network.unit_scale()
    red, green, blue = (round(WHITE * value) for value in mean_rgb)  # 0 after normalisation
    return InputSpec(
        height=settings.size_hw[0],
        width=settings.size_hw[1],
        batch=settings.batch,
        resize=network.resize,
        pad_bgr=(blue, green, red),
    )


def _check_normalisation(network: Network) -> None:
    mean, std, form = network.mean_rgb, network.std_rgb, network.divide_by_255
    white = 1 if form == "before" else WHITE
    if not all(0.0 <= value <= white for value in mean) or not all(0.0 < value <= white for value in std):
        fix = ""
        if form == "before" and all(
            0.0 <= m <= WHITE and 0.0 < s <= WHITE for m, s in zip(mean, std, strict=True)
        ):
            fix = (
                "; where the training computed (x - mean) / std from pixels x in 0..255, say "
                "--divide-by-255 never; where it computed ((x - mean) / std) / 255, --divide-by-255 after"
            )
        raise UsageError(
            f"mean and deviation are of pixels scaled to 0..{white} (--divide-by-255 {form}): the mean must "
            f"be 0 to {white}, the deviation above 0 and at most {white}, got {_listed(mean)} and "
            f"{_listed(std)}{fix}"
        )
    if network.channel_order == "grey" and not len(set(mean)) == len(set(std)) == 1:
        raise UsageError(
            f"a grey network has one mean and one deviation, got {_listed(mean)} and {_listed(std)}; "
            "give each as one number, such as --mean 0.5 --std 0.5"
        )


def _listed(values: Sequence[float]) -> str:
    return ",".join(f"{value:g}" for value in values)


def _output(name: str, outputs: Outputs, kind: OutputKind, settings: Settings) -> OutputSpec:
    shape: list[int | None] = [settings.batch, *outputs[name].shape]
    if kind == "instances" and settings.lowering == "onnx":
        shape[1] = None  # as many as are found
    return OutputSpec(name=name, dtype=outputs[name].dtype.name, shape=tuple(shape))


def _semantic_classes(network: Network, settings: Settings, outputs: Outputs) -> int:
    """Count the classes: the logits', or those that somebody says where labels alone are there."""
    if "logits" in outputs:
        check_stride(outputs["logits"].shape[1:], settings.size_hw)
        return int(outputs["logits"].shape[0])
    if settings.num_classes is not None:
        return settings.num_classes
    names = settings.class_names if settings.class_names is not None else network.class_names
    if names is None:
        raise UsageError(
            "the network gives labels itself, which do not tell how many classes there are; give the names, "
            "--classes FILE, or their number, --num-classes N"
        )
    return len(names)


def _class_names(
    network: Network, classes: int, given: Sequence[str] | None, head: HeadSpec
) -> tuple[str, ...]:
    if classes > MAX_CLASSES:
        raise ExportError(f"labels are bytes: the network has {classes} classes, at most {MAX_CLASSES} fit")
    names = given if given is not None else network.class_names
    if names is None and head.kind == "multilabel":
        return tuple(f"class {index}" for index in range(classes))
    if names is None:
        return ("background", *(f"class {index}" for index in range(1, classes)))
    if len(names) != classes and head.kind == "multilabel":
        raise UsageError(
            f"the network knows {classes} classes that may overlap, but {len(names)} names are given; give "
            f"{classes}, no background among them"
        )
    if len(names) != classes:
        raise UsageError(
            f"the network knows {classes} classes, background among them, but {len(names)} names are given; "
            f"give {classes}, background first"
        )
    return tuple(names)


def _palette(names: Sequence[str], settings: Settings) -> tuple[RGBColour, ...]:
    """Give each class its colour."""
    given, background = settings.palette_rgb, settings.background
    if isinstance(background, int) and not 0 <= background < len(names):
        raise UsageError(f"the background must be one of the classes 0 to {len(names) - 1}, got {background}")
    if given and len(given) != len(names):
        raise UsageError(
            f"the network knows {len(names)} classes, but {len(given)} colours are given; give one a class"
        )
    return with_background(given, background) if given else default_palette(names, background)


def check_stride(logits_hw: tuple[int, ...], size_hw: tuple[int, int]) -> None:
    """Refuse logits that are not the image seen at a whole stride, such as those of unpadded convolutions.

    Raises:
        ExportError: with the fix.
    """
    for given, side in zip(logits_hw, size_hw, strict=True):
        stride = max(1, round(side / given))
        if not side // stride <= given <= -(-side // stride):
            raise ExportError(
                f"the network's logits are {logits_hw[0]}x{logits_hw[1]} for an image of {size_hw[0]}x"
                f"{size_hw[1]}, so they do not cover it evenly; pad inside the network (U-Net: "
                'border="mirror")'
            )
