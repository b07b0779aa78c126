"""The axes of growth: for each a few sizes, and what is timed at one of them."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.growing.faked import faked, instance_spec, medians_ms, noise, semantic_spec
from benchmarks.postprocess import random_masks, scene_logits
from edgeseg.runtime import Engine, Refinement, Segmenter
from edgeseg.runtime.frame import Frame
from edgeseg.runtime.sources.base import Source
from edgeseg.runtime.streams.stream import Stream
from edgeseg.runtime.streams.streams import Streams
from edgeseg.scenes.scene import animate
from edgeseg.spec import CRFSpec

FRAME_HW = (480, 640)
LOGITS_HW = (64, 64)
CLASSES = 21
MEAN_SIDE_PX = 100  # of objects
CHECKPOINTS = Path(__file__).parents[2] / "edgeseg" / "demo" / "checkpoints"
CAMERA_INPUT_HW = (96, 128)
CAMERA_FRAMES = 40  # of each camera
MS_PER_S = 1000.0


@dataclass(frozen=True)
class Axis:
    """What grows, and how it is measured.

    Attributes:
        unit: of its sizes.
        sizes: rising.
        measure: gives medians in milliseconds by stage, of so many repeats at a size.
    """

    unit: str
    sizes: Sequence[int]
    measure: Callable[[int, int], dict[str, float]]


class _Pictures(Source):
    """The same few pictures as a recording, for a while."""

    name = "pictures"

    def __init__(self, images: Sequence[NDArray[Any]]) -> None:
        super().__init__()
        self._images, self._position = images, 0

    def read(self) -> Frame | None:
        """Give the next."""
        if self._position == CAMERA_FRAMES:
            return None
        self._position += 1
        image = self._images[self._position % len(self._images)]
        return Frame(image, self._position - 1, time.monotonic())


def of_frame(height: int, repeats: int) -> dict[str, float]:
    """Time frames of a height, 4:3, around a network whose input stays as it is."""
    frame_hw = (height, height * 4 // 3)
    logits = scene_logits(CLASSES, FRAME_HW, LOGITS_HW)[None]
    with faked(semantic_spec(CLASSES), {"logits": logits}) as segmenter:
        found = medians_ms(segmenter, noise(frame_hw), repeats)
    refinement = Refinement(CRFSpec(height=height))
    with faked(semantic_spec(CLASSES), {"logits": logits}, refinement=refinement) as segmenter:
        found["crf"] = medians_ms(segmenter, [_scene(frame_hw)], repeats)["crf"]
    return _without(found, "infer", "sink")


def of_input(height: int, repeats: int) -> dict[str, float]:
    """Time the demo's U-Net at an input of a height, 4:3."""
    input_hw = (height, height * 4 // 3)
    with opened_demo(input_hw) as engine, Segmenter(engine) as segmenter:
        return {"network": medians_ms(segmenter, noise(input_hw), repeats)["infer"]}


def of_classes(classes: int, repeats: int) -> dict[str, float]:
    """Time labels, and the CRF, of so many classes for a frame of 640x480."""
    logits = scene_logits(classes, FRAME_HW, LOGITS_HW)[None]
    with faked(semantic_spec(classes), {"logits": logits}) as segmenter:
        found = medians_ms(segmenter, noise(FRAME_HW), repeats)
    refinement = Refinement(CRFSpec(height=FRAME_HW[0]))
    with faked(semantic_spec(classes), {"logits": logits}, refinement=refinement) as segmenter:
        found["crf"] = medians_ms(segmenter, [_scene(FRAME_HW)], repeats)["crf"]
    return _without(found, "infer", "preprocess", "sink")


def of_detections(count: int, repeats: int) -> dict[str, float]:
    """Time so many objects in a frame of 640x480: found, pasted within their boxes, in full, and as COCO."""
    masks, boxes = (part[:count] for part in _objects(count))
    outputs = {
        "boxes": boxes[None],
        "scores": np.linspace(0.99, 0.6, count, dtype=np.float32)[None],
        "class_ids": np.ones((1, count), np.int64),
        "masks": masks[None],
    }
    found: dict[str, float] = {}
    uses: dict[str, Callable[[Any], object]] = {
        "full masks": lambda result: result.masks,
        "COCO": lambda result: result.to_coco(),
    }
    with faked(instance_spec(), outputs) as segmenter:
        for name, use in uses.items():
            medians = medians_ms(segmenter, noise(FRAME_HW), repeats, use)
            found |= {"postprocess": medians["postprocess"], name: medians["sink"]}
    return found


def of_cameras(count: int, repeats: int) -> dict[str, float]:
    """Time so many streams that share one engine: the wall time for a frame of each, over their number."""
    times_ms = []
    images = noise(FRAME_HW)
    with opened_demo(CAMERA_INPUT_HW) as engine:
        for _ in range(repeats):
            with Streams(engine) as streams:
                start_s = time.monotonic()
                for number in range(count):
                    streams.add(Stream(f"camera {number}", _Pictures(images), Segmenter(engine)))
                streams.wait()
                times_ms.append(MS_PER_S * (time.monotonic() - start_s) / CAMERA_FRAMES)
    return {"a frame of each": float(np.median(times_ms))}


AXES = {
    "frame": Axis("rows of the frame", (240, 480, 720, 1080, 2160), of_frame),
    "input": Axis("rows of the input", (96, 192, 384, 768), of_input),
    "classes": Axis("classes", (2, 5, 10, 21, 50, 150), of_classes),
    "detections": Axis("detections", (0, 1, 3, 10, 30, 100, 300), of_detections),
    "cameras": Axis("cameras", (1, 2, 4, 8), of_cameras),
}


@contextmanager
def opened_demo(input_hw: tuple[int, int]) -> Iterator[Engine]:
    """Open the demo's U-Net at an input's size, made in other processes, whose memory is not counted."""
    with tempfile.TemporaryDirectory() as folder:
        model, engine = f"{folder}/model.onnx", f"{folder}/engine"
        size = f"{input_hw[0]}x{input_hw[1]}"
        weights = str(CHECKPOINTS / "unet.safetensors")
        for command in (
            ["export", "demo_unet", "--weights", weights, "--size", size, "-o", model],
            ["build", model, "--backend", "onnxruntime", "--threads", "1", "-o", engine],
        ):
            subprocess.run([sys.executable, "-m", "edgeseg", *command], capture_output=True, check=True)
        with Engine.open(engine) as opened:
            yield opened


def _scene(frame_hw: tuple[int, int]) -> NDArray[np.uint8]:
    return next(islice(animate(1, frame_hw), 1)).image


def _objects(count: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Make masks (D, M, M) and boxes (D, 4), at least so many."""
    parts = [random_masks(MEAN_SIDE_PX, FRAME_HW, seed) for seed in range(1 + count // 100)]
    masks, boxes = (np.concatenate(part) for part in zip(*parts, strict=True))
    return masks, boxes


def _without(found: dict[str, float], *names: str) -> dict[str, float]:
    return {name: ms for name, ms in found.items() if name not in names}
