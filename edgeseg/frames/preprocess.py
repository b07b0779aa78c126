"""Turn a frame of any size into the network's input, (K, H, W, C) as stored; all else is in the graph."""

from __future__ import annotations

import threading
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgeseg import opencv
from edgeseg.errors import ShapeError
from edgeseg.frames.geometry import Placement, place
from edgeseg.frames.resize import resize
from edgeseg.spec import RGB_CHANNELS, InputSpec

_DIMENSIONS = 3
_EXACT_IN_FLOAT32 = ("uint8", "int8", "uint16", "int16", "float16", "float32")


class Prepared(NamedTuple):
    """A frame in the network's input: `image` is (K, H, W, C) of the spec's type, C-contiguous.

    K is 1, or the number of images that a frame is cut into. `image` belongs to what prepared it, which
    overwrites it with the next frame that the same thread prepares, or is the frame itself where that fits as
    it is. Use it up, or copy it, before that.
    """

    image: NDArray[Any]
    placement: Placement


class Preprocessor:
    """Put frames into the input that `spec` describes; each thread into one of its own.

    Frames are resized by the spec's `resize_filter`, within one grey level of what the library it stands for
    gives. A network whose training used another filter sees sharper or softer pictures than it knows, the
    more so the more a frame shrinks.
    """

    def __init__(self, spec: InputSpec) -> None:
        self._spec = spec
        self._is_camera = spec.takes_camera_frames
        self._canvas = _Canvas(spec)
        opencv.load()

    def __call__(self, frame: NDArray[Any]) -> Prepared:
        """Prepare a frame (H, W, C) of the spec's channels and type, of any size and any strides.

        Of one channel (H, W) will do, and a float32 input takes whole numbers, too.

        Raises:
            ShapeError: if the frame has another shape or dtype, or holds what is no finite number.
        """
        if self._is_camera:
            check_frame(frame)
        else:
            frame = fitted(frame, self._spec)
        canvas = self._canvas
        placement = canvas.placement
        if placement is None or placement.frame_hw != frame.shape[:2]:
            placement = place((frame.shape[0], frame.shape[1]), self._spec)
            canvas.lay_out(placement)
        if placement.frame_hw == placement.input_hw and frame.flags.c_contiguous:
            return Prepared(frame[None], placement)
        window = canvas.image[0][placement.window]
        if placement.frame_hw == (placement.height, placement.width):
            np.copyto(window, frame)
        else:
            resize(frame, window, self._spec.resize_filter)
        return Prepared(canvas.image, placement)


class _Canvas(threading.local):
    """One thread's input image (1, H, W, C), padded for frames that lie in it as `placement` says."""

    def __init__(self, spec: InputSpec) -> None:
        self.image = np.empty((1, spec.height, spec.width, spec.channels), spec.dtype)
        self.placement: Placement | None = None
        self._pad_bgr = spec.pad_bgr

    def lay_out(self, placement: Placement) -> None:
        """Be ready for frames of another size."""
        self.image[:] = self._pad_bgr
        self.placement = placement


def fitted(frame: NDArray[Any], spec: InputSpec) -> NDArray[Any]:
    """Give a frame that is not a camera's its axis of channels, and a float32 input its numbers.

    Returns:
        (H, W, C) of the spec's channels and type; `frame` itself where it is that already.

    Raises:
        ShapeError: if it is neither, with what to do.
    """
    wanted = f"a frame must be (H, W, {spec.channels}) {spec.dtype}"
    if not isinstance(frame, np.ndarray):
        raise ShapeError(f"{wanted}, got {type(frame).__name__}")
    if frame.ndim == _DIMENSIONS - 1 and spec.channels == 1:
        frame = frame[:, :, None]
    is_image = frame.ndim == _DIMENSIONS and frame.shape[2] == spec.channels and frame.size
    if not is_image or (spec.dtype != "float32" and frame.dtype != np.dtype(spec.dtype)):
        raise ShapeError(f"{wanted}, got {frame.shape} {frame.dtype}{_fix_any(frame, spec)}")
    if spec.dtype != "float32":
        return frame
    if frame.dtype.name not in _EXACT_IN_FLOAT32:
        raise ShapeError(
            f"{wanted}, or whole numbers of 16 bits, got {frame.dtype}; frame.astype(np.float32)"
        )
    if frame.dtype.kind == "f" and not np.isfinite(frame).all():
        raise ShapeError(
            "a frame holds what is no finite number (NaN, infinity), of which a network makes nothing: "
            "give such pixels a value, as in the training"
        )
    return frame.astype(np.float32, copy=False)


def _fix_any(frame: NDArray[Any], spec: InputSpec) -> str:
    if frame.ndim == _DIMENSIONS and spec.channels == frame.shape[0] != frame.shape[2]:
        return "; where channels come first: np.moveaxis(frame, 0, -1)"
    if frame.ndim == _DIMENSIONS + 1:
        return "; for a batch, pass one item: frame[0]"
    if frame.dtype != spec.dtype and frame.shape[2:] == (spec.channels,):
        return "; give what the network was trained on, in its own units"
    return ""


def check_frame(frame: NDArray[np.uint8]) -> None:
    """Raise a ShapeError that says what to do, unless this is (H, W, 3) uint8."""
    if not isinstance(frame, np.ndarray):
        raise ShapeError(f"a frame must be a numpy array (H, W, 3) of uint8, got {type(frame).__name__}")
    fits = frame.ndim == _DIMENSIONS and frame.shape[2] == RGB_CHANNELS and frame.size
    if fits and frame.dtype == np.uint8:
        return
    message = f"a frame must be (H, W, 3) uint8 BGR, got {frame.shape} {frame.dtype}"
    raise ShapeError(message + _fix(frame))


def _fix(frame: NDArray[np.uint8]) -> str:
    """Say how to make a frame of an array that is nearly one."""
    if frame.ndim == _DIMENSIONS - 1:
        return "; for a grey image: cv2.cvtColor(frame, cv2.COLOR_GRAY2BGR)"
    if frame.ndim == _DIMENSIONS and frame.shape[2] == RGB_CHANNELS + 1:
        return "; for an image with alpha: frame[:, :, :3]"
    if frame.ndim == _DIMENSIONS + 1:
        return "; for a batch, pass one item: frame[0]"
    if frame.dtype == np.uint16:
        return "; for 16-bit values: (frame >> 8).astype(np.uint8)"
    if np.issubdtype(frame.dtype, np.floating):
        return "; for values in 0..1: (frame * 255).round().astype(np.uint8)"
    return ""
