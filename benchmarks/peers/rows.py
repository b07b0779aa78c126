"""The networks of `benchmarks.engines`, each with its input size and the camera frame that it is given."""

from __future__ import annotations

from dataclasses import dataclass

CAMERA_HW = (480, 640)
DEMO_HW = (240, 320)


@dataclass(frozen=True)
class Row:
    """One network.

    Attributes:
        network: its name in the zoo.
        size_hw: of the network's input, in pixels; of detectors what torchvision makes of the frame.
        frame_hw: of the camera's frame.
        detections: that random weights are arranged to find in the frame; None of other networks.
    """

    network: str
    size_hw: tuple[int, int]
    frame_hw: tuple[int, int] = CAMERA_HW
    detections: int | None = None

    @property
    def is_detector(self) -> bool:
        """Tell whether results are objects, not one label a pixel."""
        return "maskrcnn" in self.network

    @property
    def is_demo(self) -> bool:
        """Tell whether the weights are those of the demo; others are random."""
        return self.network.startswith("demo_")


def _detector(short_side: int, detections: int) -> Row:
    size_hw = (short_side, int(CAMERA_HW[1] * short_side / CAMERA_HW[0]))
    return Row("maskrcnn_resnet50_fpn", size_hw, detections=detections)


ROWS: dict[str, Row] = {
    "unet": Row("unet", (512, 512)),
    "deeplabv3_resnet50": Row("deeplabv3_resnet50", (512, 512)),
    "deeplabv3_mobilenet_v3_large": Row("deeplabv3_mobilenet_v3_large", (512, 512)),
    "maskrcnn_800_5": _detector(800, 5),
    "maskrcnn_800_100": _detector(800, 100),
    "maskrcnn_320_5": _detector(320, 5),
    "maskrcnn_320_100": _detector(320, 100),
    "demo_unet": Row("demo_unet", DEMO_HW, DEMO_HW),
    "demo_deeplab": Row("demo_deeplab", DEMO_HW, DEMO_HW),
    "demo_maskrcnn": Row("demo_maskrcnn", DEMO_HW, DEMO_HW),
}
