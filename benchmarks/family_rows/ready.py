"""Networks as files that hold them whole: `.onnx` of PyTorch's exporters, TorchScript and `.pt2`."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torchvision.models import detection, segmentation

from benchmarks.family_rows.case import Case, Written
from benchmarks.family_rows.perturbed import as_tensor, balance, labels_of, perturb
from edgeseg.metrics.object_agreement import Instances
from edgeseg.scenes.scene import generate

CLASSES = 5
SIZE_HW = (128, 128)
SCORE = 0.05
FOUND = ("boxes", "labels", "scores", "masks")
RESIDUE = 0.3  # of what a block of a random detector adds, else its maps grow without end
SPREAD = 10  # times the weights of scores, else all candidates of a random detector score the same

Save = Callable[[nn.Module, Any, Path], Path]
"""Writes a network, with an example of its input, into a folder."""


class Logits(nn.Module):
    """The logits of one of torchvision's networks alone, as TorchScript and `torch.export` want them."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> Tensor:
        """Score every pixel."""
        return self.network(image)["out"]


def as_onnx(network: nn.Module, example: Any, folder: Path, *, opset: int, free: bool = False) -> Path:
    """Export by way of TorchScript, with free sizes or fixed ones."""
    axes = {"image": {0: "n", 2: "h", 3: "w"}, "logits": {0: "n", 2: "h", 3: "w"}} if free else None
    return _exported(network, example, folder, opset=opset, outputs=["logits"], axes=axes)


def as_dynamo_onnx(network: nn.Module, example: Any, folder: Path) -> Path:
    """Export by `torch.export`, weights in a file beside the graph."""
    path = folder / "network.onnx"
    torch.onnx.export(network, (example,), path, dynamo=True, external_data=True, verbose=False)
    return path


def as_torchscript(network: nn.Module, example: Any, folder: Path) -> Path:
    """Trace and save."""
    torch.jit.save(torch.jit.trace(network, example), folder / "network.pt")
    return folder / "network.pt"


def as_program(network: nn.Module, example: Any, folder: Path) -> Path:
    """Export by `torch.export`, and save."""
    torch.export.save(torch.export.export(network, (example,)), folder / "network.pt2")
    return folder / "network.pt2"


def _deeplab() -> tuple[nn.Module, nn.Conv2d]:
    network = segmentation.deeplabv3_mobilenet_v3_large(
        weights=None, weights_backbone=None, num_classes=CLASSES
    )
    return Logits(network), network.classifier[-1]


def _unet() -> tuple[nn.Module, nn.Conv2d]:
    import segmentation_models_pytorch as smp  # its rows fail where it is not installed

    network = smp.Unet("resnet18", encoder_weights=None, classes=CLASSES)
    return network, network.segmentation_head[0]


def _semantic(folder: Path, *, make: Callable[[], tuple[nn.Module, nn.Conv2d]], save: Save) -> Written:
    torch.manual_seed(0)
    network, last = make()
    perturb(network)
    example = as_tensor(generate(0, SIZE_HW).image)
    with torch.inference_mode():
        logits = network(example)
    balance(last, [logits])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that TorchScript is deprecated
        path = save(network, example, folder)

    def eager(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
        with torch.inference_mode():
            return labels_of(network(as_tensor(frame)), SIZE_HW)

    return Written(path, eager)


def _mask_rcnn(folder: Path, *, opset: int) -> Written:
    torch.manual_seed(0)
    detector: Any = detection.maskrcnn_resnet50_fpn(
        weights=None,
        weights_backbone=None,
        num_classes=CLASSES,
        min_size=SIZE_HW[0],
        max_size=SIZE_HW[1],
        box_score_thresh=SCORE,
        box_detections_per_img=20,
        rpn_post_nms_top_n_test=100,
    )
    perturb(detector)
    with torch.no_grad():
        for name, weight in detector.named_parameters():
            if name.endswith("conv3.weight"):
                weight.mul_(RESIDUE)
        for layer in (detector.rpn.head.cls_logits, detector.roi_heads.box_predictor.cls_score):
            layer.weight.mul_(SPREAD)
    example = [_unit(generate(0, SIZE_HW).image)]
    axes = {"image": {1: "h", 2: "w"}, **{name: {0: "n"} for name in FOUND}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what a trace takes for constant
        path = _exported(detector, example, folder, opset=opset, outputs=list(FOUND), axes=axes)

    def eager(frame: NDArray[np.uint8]) -> Instances:
        with torch.inference_mode():
            found = {name: value.numpy() for name, value in detector([_unit(frame)])[0].items()}
        masks = (found["masks"][:, 0] >= 0.5).astype(np.float32)
        return Instances(found["boxes"], found["scores"], found["labels"], masks)

    return Written(path, eager)


def _unit(frame: NDArray[np.uint8]) -> Tensor:
    """Give (3, H, W) RGB in 0..1, as torchvision's detectors take it."""
    return as_tensor(frame, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))[0]


def _exported(
    network: nn.Module, example: Any, folder: Path, *, opset: int, outputs: list[str], axes: Any
) -> Path:
    path = folder / "network.onnx"
    torch.onnx.export(
        network,
        (example,),
        path,
        dynamo=False,
        opset_version=opset,
        input_names=["image"],
        output_names=outputs,
        dynamic_axes=axes,
    )
    return path


FILES: tuple[tuple[str, Callable[[], tuple[nn.Module, nn.Conv2d]], str, Save], ...] = (
    ("deeplabv3_mobilenet_v3_large", _deeplab, ".onnx of opset 17", partial(as_onnx, opset=17)),
    ("deeplabv3_mobilenet_v3_large", _deeplab, ".onnx of torch.export", as_dynamo_onnx),
    ("deeplabv3_mobilenet_v3_large", _deeplab, "TorchScript", as_torchscript),
    ("deeplabv3_mobilenet_v3_large", _deeplab, ".pt2", as_program),
    ("Unet resnet18", _unet, ".onnx of opset 11, free sizes", partial(as_onnx, opset=11, free=True)),
    ("Unet resnet18", _unet, ".onnx of opset 17", partial(as_onnx, opset=17)),
    ("Unet resnet18", _unet, "TorchScript", as_torchscript),
    ("Unet resnet18", _unet, ".pt2", as_program),
)

CASES = (
    *(
        Case(
            family="ready graph",
            architecture=architecture,
            written=written,
            write=partial(_semantic, make=make, save=save),
            expected="",
            size_hw=SIZE_HW,
            is_whole=True,
        )
        for architecture, make, written, save in FILES
    ),
    *(
        Case(
            family="ready graph",
            architecture="torchvision maskrcnn_resnet50_fpn",
            written=f".onnx of opset {opset}, free sizes",
            write=partial(_mask_rcnn, opset=opset),
            expected="",
            size_hw=SIZE_HW,
            num_classes=CLASSES,
            score_threshold=SCORE,
            is_whole=True,
        )
        for opset in (11, 17)
    ),
)
