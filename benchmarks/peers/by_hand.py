"""What a user writes around a library: the network's input from a frame, and the result from its outputs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Frame = NDArray[np.uint8]
Result = dict[str, NDArray[Any]]

MASK_LEVEL = 0.5  # probability from which a pixel is inside


def normalised(
    frame: Frame, size_hw: tuple[int, int], mean_rgb: tuple[float, ...], std_rgb: tuple[float, ...]
) -> NDArray[np.float32]:
    """Resize, reorder and normalise a frame (H, W, 3) to a batch of one, (1, 3, h, w)."""
    height, width = size_hw
    rgb = cv2.cvtColor(cv2.resize(frame, (width, height)), cv2.COLOR_BGR2RGB)
    scale = np.float32(1 / 255) / np.array(std_rgb, np.float32)
    shift = np.array(mean_rgb, np.float32) / np.array(std_rgb, np.float32)
    image = rgb.astype(np.float32) * scale - shift
    return np.ascontiguousarray(image.transpose(2, 0, 1)[None])


def labelled(logits: NDArray[np.float32], frame_hw: tuple[int, int]) -> Result:
    """Bring logits (C, h, w) to the frame's size, and take the best class of each pixel."""
    height, width = frame_hw
    if logits.shape[1:] != frame_hw:
        logits = np.stack([cv2.resize(one, (width, height)) for one in logits])
    return {"labels": logits.argmax(axis=0).astype(np.uint8)}


def scaled(frame: Frame) -> NDArray[np.float32]:
    """Turn a frame into (3, H, W) RGB in 0..1, what torchvision's detectors take."""
    image = np.ascontiguousarray(frame[..., ::-1].transpose(2, 0, 1), np.float32)
    image /= 255
    return image


def detected(outputs: Mapping[str, Any]) -> Result:
    """Take torchvision's detections, whose masks (D, 1, H, W) are pasted, and binarise these."""
    return {
        "boxes": outputs["boxes"],
        "scores": outputs["scores"],
        "class_ids": outputs["labels"],
        "masks": outputs["masks"][:, 0] >= MASK_LEVEL,
    }
