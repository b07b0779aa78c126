"""Read nnU-Net's `dataset.json`: what the network's outputs and inputs are called."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edgeseg.errors import CheckpointError
from edgeseg.spec import Head

IGNORED = "ignore"  # a label that no network gives
BACKGROUND = "background"
RED_GREEN_BLUE = (("r", "g", "b"), ("red", "green", "blue"))
BLUE_GREEN_RED = tuple(tuple(reversed(names)) for names in RED_GREEN_BLUE)


@dataclass(frozen=True)
class Dataset:
    """What a data set calls things.

    Attributes:
        class_names: of the network's outputs.
        channels: how many the network gives.
        head: `multilabel` where labels are regions, which overlap.
        channel_names: of the input.
    """

    class_names: tuple[str, ...]
    channels: int
    head: Head
    channel_names: tuple[str, ...]

    @property
    def is_bgr(self) -> bool:
        """Tell whether the input's channels are called blue, green and red, in this order."""
        return tuple(name.lower() for name in self.channel_names) in BLUE_GREEN_RED


def read_dataset(dataset: Mapping[str, Any], source: str) -> Dataset:
    """Read the contents of `dataset.json`.

    A label is a number, or a list of the numbers that make up its region. Where a region has several, regions
    are what was trained, each for itself; those that are nothing but 0 are background, which is not scored.

    Raises:
        CheckpointError: if its labels are none.
    """
    labels = dataset.get("labels")
    inputs = dataset.get("channel_names", dataset.get("modality"))
    if not isinstance(labels, Mapping) or not labels or not isinstance(inputs, Mapping):
        raise CheckpointError(f"the dataset.json of {source} names no labels or channels of nnU-Net v2")
    channel_names = tuple(str(inputs[key]) for key in sorted(inputs, key=int))
    scored = {str(name): value for name, value in labels.items() if name != IGNORED}
    if any(isinstance(value, list) and len(value) > 1 for value in scored.values()):
        regions = [name for name, value in scored.items() if _numbers(value) != {0}]
        if len(regions) == 1:  # one channel decides between background and foreground
            return Dataset((BACKGROUND, regions[0]), 1, "logits", channel_names)
        return Dataset(tuple(regions), len(regions), "multilabel", channel_names)
    by_number = {min(_numbers(value)): name for name, value in scored.items()}
    if sorted(by_number) != list(range(len(by_number))):
        raise CheckpointError(f"the labels of {source} are not numbered from 0: {sorted(by_number)}")
    names = tuple(by_number[number] for number in range(len(by_number)))
    return Dataset(names, len(names), "logits", channel_names)


def _numbers(value: Any) -> set[int]:
    return set(map(int, value)) if isinstance(value, list) else {int(value)}
