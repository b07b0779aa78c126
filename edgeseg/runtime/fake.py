"""Compute outputs without an engine: a backend for the tests of programs that run one."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeseg.engines.backend import Tensor
from edgeseg.engines.pool import CLOSED, FORKED
from edgeseg.errors import EngineError, ShapeError
from edgeseg.manifest import Manifest
from edgeseg.runtime.engine import INPUT_NAME, Engine, fits
from edgeseg.spec import LARGEST_VALUE, WHITE, ModelSpec

Compute = Callable[[NDArray[Any]], Mapping[str, NDArray[Any]]]
"""Turns images (N, H, W, C) into outputs by name, as the spec says of them."""

LEVELS = 256  # of a pixel
BRIGHT = 128  # a blue of this and more belongs to an object
SCORE = 0.9  # of an object
ROWS = 1  # the axis of (N, H, W)
MASK_SIDE = 28  # where the spec leaves it to the data


class FakeBackend:
    """A backend that needs no library, device or file: for tests of programs that run engines.

    It does what every backend promises (see `Backend`): any number of threads may call `infer`; once it is
    closed, or in a forked child, that is an EngineError. It leaves nothing to be freed.

        backend = FakeBackend(spec)
        segment = Segmenter(backend.engine())

    Args:
        spec: says what it takes and gives; that of a real engine is `read_manifest(folder).spec`.
        compute: makes the outputs; None stands for those of `fake_outputs`. It may sleep, wait or raise: what
            it raises reaches every caller whose image is in the batch.
        delay_s: that an inference takes beside that, in seconds, during which other threads go on.

    Attributes:
        calls: inferences that have begun; a batch counts as one.
        closed: whether `close` was called.
    """

    def __init__(self, spec: ModelSpec, compute: Compute | None = None, *, delay_s: float = 0.0) -> None:
        taken = spec.input
        image = Tensor(taken.dtype, (taken.batch, taken.height, taken.width, taken.channels))
        self.built_on: Mapping[str, str] = {}
        self.inputs: Mapping[str, Tensor] = {INPUT_NAME: image}
        self.outputs = {output.name: Tensor(output.dtype, output.shape) for output in spec.outputs}
        self.calls = 0
        self.closed = False
        self._spec = spec
        self._compute = compute or (lambda images: fake_outputs(spec, images))
        self._delay_s = delay_s
        self._counting = threading.Lock()
        self._process = os.getpid()

    @property
    def manifest(self) -> Manifest:
        """A manifest that says `fake` of the backend, and the spec of the rest."""
        return Manifest("fake", "1", "fp32", "cpu", self._spec, model_sha256="0" * 64, files={})

    def engine(self) -> Engine:
        """Open an engine on it, which closes it."""
        return Engine(self.manifest, self)

    def infer(self, image: NDArray[Any], /) -> dict[str, NDArray[Any]]:
        """Compute one batch of images (N, H, W, C).

        Raises:
            EngineError: if it is closed, or belongs to the process that this one was forked from.
            ShapeError: if `image`, or an output of `compute`, is not what the spec says.
        """
        if os.getpid() != self._process:
            raise EngineError(FORKED)
        if self.closed:
            raise EngineError(CLOSED)
        _check({INPUT_NAME: image}, self.inputs)
        with self._counting:
            self.calls += 1
        time.sleep(self._delay_s)
        outputs = {name: np.array(value) for name, value in self._compute(image).items()}
        _check(outputs, self.outputs)
        return outputs

    def close(self) -> None:
        """Refuse what comes from now on; what runs goes on."""
        if os.getpid() == self._process:
            self.closed = True


def fake_outputs(spec: ModelSpec, images: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """Compute outputs from the blue (the first channel) of images (N, H, W, C), each image's for itself.

    Of other types than uint8 it is scaled to 0..255, float32 from 0..1.

    `labels`: of C classes each has an equal part of 0..255, the first the darkest. `logits`: 1 for the class
    of the mean of a cell's pixels, -1 for the others. Of instances each image has one, of the last class,
    with SCORE: the box of the pixels from BRIGHT up, its mask those pixels; an image without any has none.
    Where the spec gives their number, the rest are padding of score 0.
    """
    blue = images[..., 0]  # (N, H, W)
    if blue.dtype != np.uint8:
        grey = blue * (WHITE / LARGEST_VALUE[spec.input.dtype])
        blue = grey.clip(0, WHITE).astype(np.uint8)
    classes = len(spec.class_names)
    if spec.output_kind == "labels":
        return {"labels": _classes(blue, classes)}
    if spec.output_kind == "logits":
        return {"logits": _fake_logits(blue, classes, _shape(spec, "logits")[2:])}
    found = [_fake_instance(one, classes, _shape(spec, "masks")[-1] or MASK_SIDE) for one in blue]
    count = _shape(spec, "scores")[1]
    if count is None:  # such graphs take one image
        count = len(found[0]["scores"])
    dtype = np.dtype(next(output.dtype for output in spec.outputs if output.name == "class_ids"))
    padded = {name: np.stack([_padded(one[name], count) for one in found]) for name in found[0]}
    return {**padded, "class_ids": padded["class_ids"].astype(dtype)}


def _classes(levels: NDArray[Any], classes: int) -> NDArray[np.uint8]:
    return (levels.astype(np.float64) * classes // LEVELS).astype(np.uint8)


def _fake_logits(
    blue: NDArray[np.uint8], classes: int, size_hw: tuple[int | None, ...]
) -> NDArray[np.float32]:
    """Give (N, C, h, w) logits for the means of (N, H, W) in h x w cells."""
    means: NDArray[np.float64] = blue.astype(np.float64)
    for axis, cells in enumerate(size_hw, start=1):
        side = blue.shape[axis]
        starts = np.arange(cells or side) * side // (cells or side)
        lengths = np.diff(starts, append=side)
        means = np.add.reduceat(means, starts, axis=axis) / (lengths[:, None] if axis == ROWS else lengths)
    chosen = _classes(means, classes)[:, None] == np.arange(classes).reshape(-1, 1, 1)  # (N, C, h, w)
    return np.asarray(2 * chosen - 1, np.float32)


def _fake_instance(blue: NDArray[np.uint8], classes: int, mask_side: int) -> dict[str, NDArray[Any]]:
    """Find the bright pixels of (H, W) as one object, or none: outputs (0 or 1, ...)."""
    bright = blue >= BRIGHT
    rows, columns = np.flatnonzero(bright.any(axis=1)), np.flatnonzero(bright.any(axis=0))
    count = min(len(rows), 1)
    boxes, masks = np.zeros((count, 4), np.float32), np.zeros((count, mask_side, mask_side), np.float32)
    if count:
        top, left, bottom, right = rows[0], columns[0], rows[-1] + 1, columns[-1] + 1
        boxes[0] = left, top, right, bottom
        centres = np.arange(mask_side) + 0.5
        y = (top + centres * (bottom - top) / mask_side).astype(np.intp)
        x = (left + centres * (right - left) / mask_side).astype(np.intp)
        masks[0] = bright[y[:, None], x]
    scores = np.full(count, SCORE, np.float32)
    return {"boxes": boxes, "scores": scores, "class_ids": np.full(count, classes - 1), "masks": masks}


def _padded(rows: NDArray[Any], count: int) -> NDArray[Any]:
    """Cut or fill (D, ...) with zeros to (count, ...)."""
    filled = np.zeros((count, *rows.shape[1:]), rows.dtype)
    filled[: len(rows)] = rows[:count]
    return filled


def _shape(spec: ModelSpec, name: str) -> tuple[int | None, ...]:
    return next(output.shape for output in spec.outputs if output.name == name)


def _check(arrays: Mapping[str, NDArray[Any]], wanted: Mapping[str, Tensor]) -> None:
    """Compare arrays with what the spec says; a size that depends on the data fits any."""
    found = {name: Tensor(array.dtype.name, array.shape) for name, array in arrays.items()}
    if set(found) == set(wanted) and all(fits(wanted[name], found[name]) for name in wanted):
        return
    raise ShapeError(f"the spec says {_shown(wanted)}, got {_shown(found)}; give what it says")


def _shown(tensors: Mapping[str, Tensor]) -> str:
    return ", ".join(f"{name} {tensor.dtype} {tensor.shape}" for name, tensor in sorted(tensors.items()))
