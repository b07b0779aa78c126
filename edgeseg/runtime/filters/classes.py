"""Keep what belongs to the classes that a stream is about."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edgeseg.errors import UsageError, name_a_few, shown
from edgeseg.frames.results import InstanceResult, Result, SemanticResult
from edgeseg.opencv import cv2
from edgeseg.runtime.frame import Frame
from edgeseg.spec import VOID_LABEL, ModelSpec

LEVELS = 256  # of a label


class ClassFilter:
    """Drop what is of other classes.

    Instances of other classes are left out. Pixels of other classes become VOID_LABEL, with confidence 0.
    Where classes may overlap, the masks of others become empty, and a pixel whose label goes shows the kept
    class that it also has, of several the one with the lowest id, with confidence 0: how likely that one is
    the result does not say.

    Args:
        names: of the classes that are kept.
        spec: that names all classes.

    Raises:
        UsageError: if there is no name, or one that is no class's.
    """

    def __init__(self, names: Sequence[str], spec: ModelSpec) -> None:
        if not names:
            raise UsageError(f"no class is named, so nothing would be kept; {_known(spec)}")
        kept = np.array([class_id_of(name, spec) for name in names])
        self._kept: NDArray[np.bool_] = np.zeros(LEVELS, np.bool_)
        self._kept[kept] = True
        self._table = np.where(self._kept, np.arange(LEVELS), VOID_LABEL).astype(np.uint8)

    def __call__(self, frame: Frame, result: Result, /) -> Result:
        """Keep the classes; see `Filter`."""
        if isinstance(result, InstanceResult):
            return result.select(np.flatnonzero(self._kept[result.class_ids]))
        labels = np.asarray(cv2.LUT(result.labels, self._table), np.uint8)
        masks = result.masks
        if masks is not None:
            masks = masks & self._kept[: len(masks), None, None]
            lost = labels == VOID_LABEL
            labels[lost] = _first_class(masks)[lost]
        confidence = result.confidence
        if confidence is not None:
            confidence = np.where(labels == result.labels, confidence, np.float32(0))
        return SemanticResult(labels, confidence, masks)


def _first_class(masks: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Give the lowest class of every pixel (H, W) of masks (C, H, W); VOID_LABEL where it has none."""
    first: NDArray[np.uint8] = masks.argmax(axis=0).astype(np.uint8)
    first[~masks.any(axis=0)] = VOID_LABEL
    return first


def class_id_of(name: str, spec: ModelSpec) -> int:
    """Find a class by its name. Raises UsageError with the nearest there is."""
    if name in spec.class_names:
        return spec.class_names.index(name)
    near = difflib.get_close_matches(name, spec.class_names, n=1)
    hint = f"did you mean {shown(near[0])}?" if near else _known(spec)
    raise UsageError(f"the engine knows no class {shown(name)}; {hint}")


def _known(spec: ModelSpec) -> str:
    return f"it knows {name_a_few([shown(name) for name in spec.class_names])}"
