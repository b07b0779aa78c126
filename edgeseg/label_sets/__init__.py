"""The class names and colours of the data sets that networks are trained on, by name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edgeseg.errors import UsageError
from edgeseg.label_sets.ade20k import ADE20K
from edgeseg.label_sets.camvid import CAMVID, CAMVID_12
from edgeseg.label_sets.cityscapes import CITYSCAPES
from edgeseg.label_sets.coco import COCO, COCO_80, COCO_81
from edgeseg.label_sets.coco_stuff import COCO_STUFF
from edgeseg.label_sets.label_set import LabelSet
from edgeseg.label_sets.pascal_context import PASCAL_CONTEXT_59, PASCAL_CONTEXT_60
from edgeseg.label_sets.voc import VOC

__all__ = ["ALL", "LabelSet", "named", "of_names", "of_size"]

ALL = {
    one.name: one
    for one in (
        VOC,
        COCO,
        COCO_80,
        COCO_81,
        COCO_STUFF,
        CITYSCAPES,
        ADE20K,
        PASCAL_CONTEXT_59,
        PASCAL_CONTEXT_60,
        CAMVID,
        CAMVID_12,
    )
}
"""Each set by its name."""


def named(path: Path) -> LabelSet | None:
    """Give the set of that name; None where the path is one of a file.

    Raises:
        UsageError: if there is neither.
    """
    if str(path) in ALL:
        return ALL[str(path)]
    if not path.exists():
        raise UsageError(f"there is no file {path}, and no data set of that name; there are {', '.join(ALL)}")
    return None


def of_names(class_names: Sequence[str]) -> LabelSet | None:
    """Give the set whose classes have these names, in this order; None where there is none."""
    return next((one for one in ALL.values() if one.class_names == tuple(class_names)), None)


def of_size(classes: int) -> list[str]:
    """Name the sets of so many classes."""
    return [name for name, one in ALL.items() if len(one.class_names) == classes]
