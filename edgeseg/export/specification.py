"""Make the ModelSpec that goes with a graph of export settings and what PyTorch computed once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import onnx
import onnxscript
import torch

import edgeseg
from edgeseg import label_sets
from edgeseg.errors import ExportError, UsageError
from edgeseg.export.ready.network import ReadyNetwork
from edgeseg.export.said import who_said
from edgeseg.export.settings import Settings, crf_stride_of, output_kind_of
from edgeseg.graph.outputs import Outputs
from edgeseg.models.mask_rcnn import MaskRCNN
from edgeseg.models.network import Network
from edgeseg.palette import RGBColour, default_palette, with_background
from edgeseg.spec import (
    DENSE_CRF,
    LOGITS_HEAD,
    MAX_CLASSES,
    OUTPUT_NAMES,
    GraphSpec,
    HeadSpec,
    InputSpec,
    ModelSpec,
    OutputKind,
    OutputSpec,
    Provenance,
    ResizeFilter,
    Thresholds,
    in_order,
)

GUESSED_FILTER: ResizeFilter = "linear"
FILTER_NOTE = (
    f"frames will be resized by the {GUESSED_FILTER} filter, which is a guess: nobody said what the training "
    "used; --resize-filter pil for Pillow, antialias for torchvision, area or linear for OpenCV"
)


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
    elif isinstance(network.module, ReadyNetwork):
        classes = _said_classes(network, settings)
        # As its masks are sampled where they cover the image, and as detectron2 and MMDetection paste others.
        thresholds = Thresholds(settings.score_threshold, network.mask_threshold, "pixel_centres")
    else:
        heads = cast(MaskRCNN, network.module).roi_heads
        classes = heads.box_predictor.cls_score.out_features
        pasting = heads.conventions.mask_pasting
        thresholds = Thresholds(settings.score_threshold, network.mask_threshold, pasting)
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
            said=who_said(network),
        ),
        palette_rgb=_palette(names, settings),
        thresholds=thresholds,
        crf=settings.crf,
        head=head,
    )


def describe_input(network: Network, settings: Settings) -> InputSpec:
    """Say what the graph will take, and how a frame becomes it; the settings must have been checked."""
    stored = network.channel_order == "stored"
    return InputSpec(
        height=settings.size_hw[0],
        width=settings.size_hw[1],
        batch=settings.batch,
        resize=network.resize,
        resize_filter=network.resize_filter or GUESSED_FILTER,
        resize_filter_known=network.resize_filter is not None,
        pad_bgr=in_order(network.padding(), "stored" if stored else "bgr"),
        channel_order="stored" if stored else "bgr",
        pad_side=network.pad_side,
        size_divisor=network.size_divisor,
        channels=network.channels,
        dtype=network.input_dtype,
    )


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
    return _said_classes(network, settings)


def _said_classes(network: Network, settings: Settings) -> int:
    """Count the classes that somebody says, where labels alone are there."""
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
            f"give {classes}, background first{_fitting_sets(classes)}"
        )
    return tuple(names)


def _fitting_sets(classes: int) -> str:
    """Name the data sets of so many classes."""
    names = label_sets.of_size(classes)
    return f"; the data set {' or '.join(names)} has so many" if names else ""


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
