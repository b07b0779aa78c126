"""Turn frame sizes into places: where a frame lies in the network's input, and the exact way back.

A coordinate is continuous: pixel i covers [i, i + 1) and has its centre at i + 0.5, as in cv2.resize with
INTER_LINEAR and in PyTorch's interpolate with align_corners=False. Scales are ratios of whole sizes, the
ones those resizes use, so the way back has no rounding of its own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgeseg.spec import InputSpec, ResizePolicy


@dataclass(frozen=True)
class Placement:
    """Where a frame lies in the network's input.

    The frame is resized to `height` x `width` and put at column `left`, row `top` of the input; whatever is
    around it is padding. All sizes are (height, width) in pixels.
    """

    frame_hw: tuple[int, int]
    input_hw: tuple[int, int]
    top: int
    left: int
    height: int
    width: int

    @property
    def window(self) -> tuple[slice, slice]:
        """Rows and columns of the input that hold the frame."""
        return slice(self.top, self.top + self.height), slice(self.left, self.left + self.width)

    @property
    def fills_input(self) -> bool:
        """Whether the frame is resized to the whole input, without padding."""
        return (self.height, self.width) == self.input_hw

    def boxes_to_frame(self, boxes_xyxy: NDArray[np.float32]) -> NDArray[np.float32]:
        """Carry boxes (D, 4) from input pixels to frame pixels, clipped to the frame."""
        frame_height, frame_width = self.frame_hw
        offset = np.array([self.left, self.top] * 2, np.float32)
        scale = np.array([frame_width / self.width, frame_height / self.height] * 2, np.float32)
        limit = np.array([frame_width, frame_height] * 2, np.float32)
        moved: NDArray[np.float32] = np.clip((boxes_xyxy - offset) * scale, 0, limit)
        return moved

    def map_to_frame(self, labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Bring a map (H, W) of the whole input to frame size: every frame pixel takes the nearest value.

        A frame pixel whose centre falls on the border of two input pixels takes the later one. Returns a
        C-contiguous array; it is `labels` itself where the input is the frame.
        """
        content = labels[self.window]
        if (self.height, self.width) == self.frame_hw:
            return np.ascontiguousarray(content)
        frame_height, frame_width = self.frame_hw
        columns = _nearest(frame_width, self.width)
        rows = _nearest(frame_height, self.height)
        return content.take(columns, axis=1).take(rows, axis=0)

    def sample_rows(self, count: int) -> NDArray[np.float64]:
        """Give every frame row's position on a grid of `count` rows over the input; see `_samples`."""
        return _samples(self.frame_hw[0], self.top, self.height, self.input_hw[0], count)

    def sample_columns(self, count: int) -> NDArray[np.float64]:
        """Give every frame column's position on a grid of `count` columns over the input."""
        return _samples(self.frame_hw[1], self.left, self.width, self.input_hw[1], count)


def place(frame_hw: tuple[int, int], spec: InputSpec) -> Placement:
    """Find where a frame of this size lies in the input, by the spec's resize policy.

    `stretch` fills the input. `letterbox` takes the largest scale that fits, rounds, and centres (the odd
    pixel goes right and below), or puts the picture at the top left, as `pad_side` says. `shortest_edge`
    follows torchvision's detection models: the short side comes to the input's, the long side is truncated
    (480x640 becomes 800x1066), the picture lies at the top left; a frame of another aspect ratio than the
    input's shrinks until it fits.
    """
    input_hw = (spec.height, spec.width)
    height, width = resized_hw(frame_hw, input_hw, spec.resize)
    top, left = 0, 0
    if spec.resize == "letterbox" and spec.pad_side == "both":
        top, left = (spec.height - height) // 2, (spec.width - width) // 2
    return Placement(frame_hw, input_hw, top, left, height, width)


def resized_hw(frame_hw: tuple[int, int], limit_hw: tuple[int, int], resize: ResizePolicy) -> tuple[int, int]:
    """Give the size to which a frame is resized so that it fits `limit_hw`; see `place`."""
    if resize == "stretch":
        return limit_hw
    if resize == "letterbox":
        return _letterbox_size(frame_hw, limit_hw)
    return _shortest_edge_size(frame_hw, limit_hw)


def _letterbox_size(frame_hw: tuple[int, int], input_hw: tuple[int, int]) -> tuple[int, int]:
    scale = min(input_hw[0] / frame_hw[0], input_hw[1] / frame_hw[1])
    height, width = (max(1, math.floor(side * scale + 0.5)) for side in frame_hw)
    return height, width


def _shortest_edge_size(frame_hw: tuple[int, int], input_hw: tuple[int, int]) -> tuple[int, int]:
    """Give the largest truncated size that fits the input and has one side of it exactly.

    torchvision fixes one side (the short one, or the long one at its limit) and truncates the other; the
    product is formed in floating point as there, which for a few heights loses the last pixel.
    """
    sizes = []
    for scale in (input_hw[0] / frame_hw[0], input_hw[1] / frame_hw[1]):
        height, width = (max(1, int(side * scale)) for side in frame_hw)
        if height <= input_hw[0] and width <= input_hw[1]:
            sizes.append((height, width))
    return max(sizes)


def _nearest(frame_size: int, content_size: int) -> NDArray[np.int64]:
    """Give for each of `frame_size` pixel centres the pixel of `content_size` that it falls in."""
    return (2 * np.arange(frame_size) + 1) * content_size // (2 * frame_size)


def _samples(
    frame_size: int, start: int, content_size: int, input_size: int, count: int
) -> NDArray[np.float64]:
    """Carry frame pixel centres to a grid of `count` samples spread over the input along one axis.

    Position p lies between the samples floor(p) and floor(p) + 1; positions before the first sample and
    behind the last, half a cell on each side, belong to that sample alone.
    """
    centres = np.arange(frame_size, dtype=np.float64) + 0.5
    return (start + centres * (content_size / frame_size)) * (count / input_size) - 0.5
