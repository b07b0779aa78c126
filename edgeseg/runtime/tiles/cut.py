"""Cut frames that are larger than the network's input into tiles of its size."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeseg.frames.geometry import Placement
from edgeseg.frames.preprocess import Prepared, Preprocessor, check_frame, fitted
from edgeseg.frames.resize import resize
from edgeseg.runtime.tiles.mosaic import Mosaic, lay_out
from edgeseg.runtime.tiles.tiling import Tiling
from edgeseg.spec import InputSpec, ModelSpec


class TileCutter:
    """What a `Preprocessor` is, for tiles: puts the tiles of a frame into (K, H, W, C); each thread its own.

    A frame for which one tile is enough goes through as without tiles.
    """

    def __init__(self, spec: ModelSpec, tiling: Tiling) -> None:
        self._spec = spec
        self._tiling = tiling
        self._whole = Preprocessor(spec.input)
        self._canvas = _Canvas(spec.input)
        self._uncut_hw: set[tuple[int, int]] = set()

    def __call__(self, frame: NDArray[Any]) -> Prepared:
        """Prepare a frame of any size and any strides; raises as a `Preprocessor`."""
        if self._spec.input.takes_camera_frames:
            check_frame(frame)
        else:
            frame = fitted(frame, self._spec.input)
        frame_hw = (frame.shape[0], frame.shape[1])
        canvas = self._canvas
        if canvas.placement is None or canvas.placement.frame_hw != frame_hw:
            canvas.lay_out(lay_out(frame_hw, self._spec, self._tiling))
        mosaic = canvas.placement
        if not isinstance(mosaic, Mosaic):
            self._uncut_hw.add(frame_hw)
            return self._whole(frame)
        content = frame
        if frame_hw != (mosaic.height, mosaic.width):
            content = canvas.content
            resize(frame, content, self._spec.input.resize_filter)
        height, width = mosaic.tile_hw
        images = canvas.images
        for image, (top, left) in zip(images, mosaic.corners, strict=False):
            window = content[top : top + height, left : left + width]
            np.copyto(image[: window.shape[0], : window.shape[1]], window)
        if mosaic.whole is not None:
            np.copyto(images[-1], self._whole(frame).image[0])
        return Prepared(images, mosaic)

    @property
    def notes(self) -> tuple[str, ...]:
        """One line for each size of frame that was not cut."""
        taken = self._spec.input
        return tuple(
            f"frames of {width}x{height} need no tiles of {taken.width}x{taken.height}, and were not cut"
            for height, width in sorted(self._uncut_hw)
        )


class _Canvas(threading.local):
    """One thread's tiles (K, H, W, C), padded, and its frame at the size that is cut."""

    def __init__(self, spec: InputSpec) -> None:
        self.placement: Placement | None = None
        self.images = np.empty((0, spec.height, spec.width, spec.channels), spec.dtype)
        self.content = self.images[:0, 0]
        self._pad_bgr = spec.pad_bgr

    def lay_out(self, placement: Placement) -> None:
        """Be ready for frames of another size."""
        self.placement = placement
        count = placement.images if isinstance(placement, Mosaic) else 0
        self.images = np.empty((count, *self.images.shape[1:]), self.images.dtype)
        self.images[:] = self._pad_bgr
        self.content = self.images[:0, 0]  # (0, W, C)
        if count and placement.frame_hw != (placement.height, placement.width):
            shape = (placement.height, placement.width, self.images.shape[-1])
            self.content = np.empty(shape, self.images.dtype)
