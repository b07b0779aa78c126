"""Say which class each value that label maps store means: class ids themselves, or others by agreement."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from edgeseg.errors import UsageError, shown
from edgeseg.spec import VOID_LABEL

VALUES = 1 << 16  # of a 16-bit map
UNKNOWN = -1  # a value that is no class
IGNORED = VOID_LABEL  # what is not counted, in the tables here and in the maps that are read
FORM = "write VALUE=CLASS, FIRST-LAST=CLASS or VALUE=ignore, such as 255=1, or one of "

CITYSCAPES_TRAIN_IDS = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)
"""The label ids of Cityscapes' classes, by train id; its other label ids are not counted."""


def table_of(
    classes: int, *, ignore: int | None = VOID_LABEL, rules: Sequence[str] = ()
) -> NDArray[np.int16]:
    """Make a table from each stored value to its class id, IGNORED, or UNKNOWN.

    Args:
        classes: C; values below are class ids where no rule says otherwise.
        ignore: the value that is not counted where no rule says otherwise; None: there is none.
        rules: `VALUE=CLASS`, `FIRST-LAST=CLASS`, CLASS being an id or `ignore`; or the name of one of NAMED.

    Returns:
        (65536,) int16.

    Raises:
        UsageError: if a rule cannot be read, or names a class beyond C.
    """
    table = np.full(VALUES, UNKNOWN, np.int16)
    table[:classes] = np.arange(classes)
    if ignore is not None:
        table[ignore] = IGNORED
    for rule in rules:
        if rule in NAMED:
            for value, class_id in NAMED[rule].items():
                _check_class(rule, class_id, classes)
                table[value] = class_id
            continue
        match = re.fullmatch(r"([0-9]{1,5})(?:-([0-9]{1,5}))?=([0-9]{1,3}|ignore)", rule)
        if match is None:
            raise UsageError(f"--map-label {shown(rule)} cannot be read; {FORM}{', '.join(NAMED)}")
        first, last = int(match[1]), int(match[2] or match[1])
        if not first <= last < VALUES:
            raise UsageError(f"--map-label {rule} must name values of 0 to {VALUES - 1}, the smaller first")
        class_id = IGNORED if match[3] == "ignore" else int(match[3])
        if match[3] != "ignore":
            _check_class(rule, class_id, classes)
        table[first : last + 1] = class_id
    return table


def _check_class(rule: str, class_id: int, classes: int) -> None:
    if class_id != IGNORED and class_id >= classes:
        raise UsageError(f"--map-label {rule} names class {class_id}; the network's are 0 to {classes - 1}")


def _cityscapes() -> dict[int, int]:
    ids = dict.fromkeys(range(35), IGNORED)  # -1, the licence plate, is stored as 255
    return ids | {label_id: train_id for train_id, label_id in enumerate(CITYSCAPES_TRAIN_IDS)}


def _from_one(classes: int) -> dict[int, int]:
    return {0: IGNORED} | {value: value - 1 for value in range(1, classes + 1)}


NAMED: Mapping[str, Mapping[int, int]] = {
    "cityscapes-ids": _cityscapes(),
    "ade20k": _from_one(150),
    "pascal-context-59": _from_one(59),
}
"""How data sets store classes otherwise than as ids from 0: Cityscapes' label ids; 0 where there is none."""
