"""Keep the images on which a network does worst, each as a picture of what is true and what was found."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgeseg.errors import SinkError
from edgeseg.evaluation.labelled_images import Truth
from edgeseg.frames.results import InstanceResult, MaskCrop, Result, SemanticResult
from edgeseg.frames.rle import decode
from edgeseg.opencv import cv2
from edgeseg.runtime.overlay import draw
from edgeseg.spec import ModelSpec

CAPTION_PX = 24  # height of the line above each picture
TEXT_SCALE, TEXT_FOOT_PX, TEXT_LEFT_PX = 0.5, 17, 6
GAP_PX = 4  # between pictures
PAPER, INK = 255, (0, 0, 0)


@dataclass(frozen=True)
class WorstImage:
    """One of the images on which a network does worst.

    Attributes:
        name: of its file.
        worth: what it was chosen by, the least first: its score, or that less the other network's.
        picture: a PNG; None where the image's channels are no picture.
    """

    name: str
    worth: float
    picture: bytes | None


class WorstImages:
    """At most so many images of least worth; pictures are made of those alone that may be among them."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: list[WorstImage] = []

    def consider(self, name: str, worth: float, picture: Callable[[], bytes | None]) -> None:
        """Keep an image if it is among the worst so far; of equals the first stays. NaN is passed over."""
        if np.isnan(worth) or (len(self._kept) == self._most and not worth < self._limit):
            return
        self._kept = sorted([*self._kept, WorstImage(name, worth, picture())], key=lambda one: one.worth)
        del self._kept[self._most :]

    @property
    def images(self) -> tuple[WorstImage, ...]:
        """Give them, the worst first."""
        return tuple(self._kept)

    @property
    def _limit(self) -> float:
        return self._kept[-1].worth if self._kept else -np.inf


def picture_of(image: NDArray[np.uint8], results: Mapping[str, Result], spec: ModelSpec) -> bytes:
    """Draw each of several results over an image (H, W, 3), side by side under their names, as a PNG."""
    height, width = image.shape[:2]
    panels = []
    for name, result in results.items():
        panel = np.full((height + CAPTION_PX, width + GAP_PX, 3), PAPER, np.uint8)
        panel[CAPTION_PX:, :width] = draw(image, result, spec)
        caption = panel[:CAPTION_PX, :width]
        cv2.putText(
            caption,
            name,
            (TEXT_LEFT_PX, TEXT_FOOT_PX),
            cv2.FONT_HERSHEY_SIMPLEX,
            TEXT_SCALE,
            INK,
            1,
            cv2.LINE_AA,
        )
        panels.append(panel)
    return png(np.concatenate(panels, axis=1)[:, :-GAP_PX])


def png(picture: NDArray[np.uint8]) -> bytes:
    """Encode (H, W, 3) BGR."""
    whole, data = cv2.imencode(".png", picture)
    if not whole:
        raise SinkError(f"OpenCV cannot write a picture of {picture.shape[1]}x{picture.shape[0]} as PNG")
    return data.tobytes()


def result_of(truth: Truth, frame_hw: tuple[int, int]) -> Result:
    """Give what is true as what a network finds that is always right, and sure of it."""
    if isinstance(truth, np.ndarray):
        return SemanticResult(truth)
    masks = [decode(one["segmentation"]) for one in truth]
    corners = [(x, y, x + width, y + height) for x, y, width, height in (one["bbox"] for one in truth)]
    return InstanceResult(
        np.array(corners, np.float32).reshape(-1, 4),
        np.ones(len(truth), np.float32),
        np.array([one["category_id"] for one in truth], np.int64),
        frame_hw,
        tuple(MaskCrop(0, 0, mask) for mask in masks),
    )
