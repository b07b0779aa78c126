"""Hold the dense lowering of Mask R-CNN R50-FPN against torchvision's eager detector, engine by engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import openvino
import torch
from numpy.typing import NDArray
from torchvision.models.detection import MaskRCNN

from edgeseg.export.exporter import Settings, export_network
from edgeseg.graph.outputs import instances_of
from edgeseg.metrics.object_agreement import Instances, ObjectErrors
from edgeseg.models import zoo
from edgeseg.models.checkpoints.loading import load_weights
from edgeseg.proof.tolerances import FP32, Tolerances
from edgeseg.scenes.pictures import picture
from tests.models.torchvision_weights import arranged

NAME = "maskrcnn_resnet50_fpn"
THRESHOLD = 0.5
ANY_DIFFERENCE = Tolerances(
    unmatched_share=2.0, borderline_share=2.0, score=1.0, box_px=np.inf, mask=1.0, mask_iou=0.0
)  # the export's own pictures are not those that the weights were arranged for

Run = Callable[[NDArray[np.uint8]], Mapping[str, NDArray[Any]]]


@dataclass(frozen=True)
class Agreement:
    """How one engine's detections differ from torchvision's, over the images of one batch."""

    engine: str
    found: tuple[int, ...]  # by torchvision, an image
    errors: ObjectErrors


def agreements(size_hw: tuple[int, int], batch: int, detections: int, folder: Path) -> Iterator[Agreement]:
    """Export a network that finds `detections` objects in the first image, and run it in every engine.

    Args:
        size_hw: multiples of 32, so that torchvision neither resizes nor pads.
        batch: the images after the first are other ones, in which the number of objects is as it comes.
    """
    images = np.stack([picture(seed, size_hw) for seed in range(batch)])
    pixels = [torch.from_numpy(image[..., ::-1].copy()).permute(2, 0, 1) / 255 for image in images]
    short, long = min(size_hw), max(size_hw)
    model = arranged(
        NAME, pixels[0], detections=detections, score_threshold=THRESHOLD, min_size=short, max_size=long
    )
    expected = [eager(model, image) for image in pixels]
    path = folder / "dense.onnx"
    network = zoo.create(NAME, num_classes=91)
    load_weights(network.module, model.state_dict())
    settings = Settings(
        NAME,
        size_hw,
        lowering="dense",
        batch=batch,
        score_threshold=THRESHOLD,
        tolerances=ANY_DIFFERENCE,
    )
    export_network(network, path, settings)
    del network, model
    for engine, opened in (("onnxruntime", onnxruntime_run), ("openvino", openvino_run)):
        outputs = opened(path)(images)
        errors = ObjectErrors(THRESHOLD, FP32.score, FP32.mask, 100)
        for i, reference in enumerate(expected):
            errors.add(reference, instances_of({name: array[i] for name, array in outputs.items()}))
        yield Agreement(engine, tuple(len(each.scores) for each in expected), errors)


def eager(model: MaskRCNN, image: torch.Tensor) -> Instances:
    """Run torchvision up to the masks within their boxes; pasting is left out by taking the heads' answer."""
    with torch.inference_mode():
        transformed, _ = model.transform([image])
        maps = model.backbone(transformed.tensors)
        proposals, _ = model.rpn(transformed, maps)
        (found,), _ = model.roi_heads(maps, proposals, transformed.image_sizes)
    return Instances(
        found["boxes"].numpy(), found["scores"].numpy(), found["labels"].numpy(), found["masks"][:, 0].numpy()
    )


def onnxruntime_run(path: Path) -> Run:
    """Open with the defaults."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return lambda images: dict(zip(names, session.run(names, {"image": images}), strict=True))


def openvino_run(path: Path) -> Run:
    """Open in float32, as an fp32 engine is."""
    compiled = openvino.Core().compile_model(str(path), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return lambda images: {port.get_any_name(): array for port, array in compiled([images]).items()}
