"""Find the heads that a network's values for the proof images fit, or refuse them.

Logits, sigmoids, softmaxes and labels are arrays of the same shapes, and one taken for another gives labels
that look like labels. What tells them apart are their values, at all pixels of all images of the proof: whole
numbers, numbers within 0..1, channels that sum to 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from edgeseg.errors import UsageError
from edgeseg.spec import Head

UNIT_SLACK = 1e-3  # how far rounding takes probabilities out of 0..1
SUM_SLACK = 1e-2  # how far half precision takes the sum of a softmax from 1
RESAMPLED_SLACK = 0.25  # how far a cubic filter takes a softmax out of 0..1; the sum stays 1
UNDERFLOW = 1e-6  # a sigmoid of large scores gives many values between 0 and this, a ReLU hardly any ...
UNDERFLOW_SHARE = 1e-3  # ... and neither does anything else that gives exact zeros, too
MAX_LABEL = 254  # labels are bytes, and 255 is no class

MEANING: dict[Head, str] = {
    "logits": "scores of which the largest wins (of one channel: those above 0)",
    "sigmoid": "probabilities of a sigmoid",
    "softmax": "probabilities that sum to 1",
    "labels": "class ids, decided inside the network",
    "multilabel": "classes that may overlap, each decided for itself",
}


@dataclass(frozen=True)
class OutputStatistics:
    """What is true of the output at every pixel of every image.

    Attributes:
        images, channels: how many.
        lowest, highest: of all values.
        is_whole: only whole numbers; `is_integer`: of an integer or boolean type, too.
        sums_to_one: of at least two channels.
        is_constant: one value for each channel, everywhere.
        underflows: many values lie between 0 and `UNDERFLOW`.
    """

    images: int
    channels: int
    lowest: float
    highest: float
    is_whole: bool
    is_integer: bool
    sums_to_one: bool
    is_constant: bool
    underflows: bool

    @property
    def in_unit(self) -> bool:
        """Whether all values lie within 0..1."""
        return self.lowest >= -UNIT_SLACK and self.highest <= 1 + UNIT_SLACK

    @property
    def is_softmax(self) -> bool:
        """Whether this can be the probabilities of exclusive classes."""
        near = self.lowest >= -RESAMPLED_SLACK and self.highest <= 1 + RESAMPLED_SLACK
        return self.sums_to_one and near

    @property
    def is_labels(self) -> bool:
        """Whether this can be one class id a pixel."""
        return self.is_whole and self.channels == 1 and self.lowest >= 0 and self.highest <= MAX_LABEL

    @property
    def is_beyond_labels(self) -> bool:
        """Whether this can be what a network decided alone, such as a mask of 0 and 255, and is no label."""
        is_decided = self.is_whole and self.channels == 1 and (self.is_integer or self.lowest >= 0)
        return is_decided and not self.is_labels

    def __str__(self) -> str:
        channels = "1 channel" if self.channels == 1 else f"{self.channels} channels"
        kind = "whole numbers" if self.is_whole else "values"
        if self.is_constant:
            kind = (
                "the same value everywhere" if self.lowest == self.highest else "the same values everywhere"
            )
        sums = ", which sum to 1 at every pixel" if self.sums_to_one else ""
        return f"{channels}, {kind}, {self.lowest:.4g} to {self.highest:.4g}{sums}"


def statistics_of(outputs: Sequence[NDArray[Any]]) -> OutputStatistics:
    """Look at what a network gave for several images, each (C, h, w), finite."""
    channels, corner = outputs[0].shape[0], outputs[0][:, :1, :1]
    is_integer = outputs[0].dtype == np.bool_ or np.issubdtype(outputs[0].dtype, np.integer)
    return OutputStatistics(
        images=len(outputs),
        channels=channels,
        lowest=min(float(planes.min()) for planes in outputs),
        highest=max(float(planes.max()) for planes in outputs),
        is_whole=is_integer or all(bool((planes == np.rint(planes)).all()) for planes in outputs),
        is_integer=is_integer,
        sums_to_one=channels > 1 and all(_sums_to_one(planes) for planes in outputs),
        is_constant=all(bool((planes == corner).all()) for planes in outputs),
        underflows=any(_underflows(planes) for planes in outputs),
    )


def fitting(seen: OutputStatistics) -> list[Head]:
    """List the heads that the values fit, the likeliest first: `logits` where nothing speaks against it."""
    if seen.is_softmax and not seen.is_constant:
        return ["softmax"]
    if seen.is_labels and (seen.is_integer or (seen.highest > 1 and not seen.is_constant)):
        return ["labels"]
    if seen.is_labels and not seen.is_constant:
        return ["labels", "sigmoid"]
    if not seen.in_unit:
        return ["labels", "logits"] if seen.is_labels else ["logits"]
    found: list[Head] = ["sigmoid"]
    if seen.channels == 1:
        found += ["labels"] if seen.is_labels else []
        return found + (["logits"] if seen.is_constant or seen.lowest <= 0 else [])
    if seen.is_whole and not seen.is_constant:
        return ["multilabel", "sigmoid"]
    if seen.lowest > 0 or seen.underflows:
        found += ["multilabel", "softmax"] if seen.is_softmax else ["multilabel"]
        return [*found, "logits"]
    return ["logits", "sigmoid", "multilabel"]  # a ReLU reaches 0, a sigmoid hardly ever


def choose_head(seen: OutputStatistics, stated: Head | None) -> Head:
    """Take the head that was stated if the values do not contradict it, or `logits` if they fit nothing else.

    Raises:
        UsageError: naming the heads that fit, or the fix where none does.
    """
    if seen.is_beyond_labels and (seen.is_integer or stated != "logits"):
        raise UsageError(
            f"the network decides inside, but gives {seen}, on {seen.images} images, and labels are 0 to "
            f"{MAX_LABEL}: bring them there in the network, such as a mask of 0 and 255 by x > 0, and give "
            "what is to be ignored a class"
        )
    fits = fitting(seen)
    if stated is None:
        if fits[0] == "logits":
            return "logits"
        raise UsageError(
            f"what does the network's output mean? It gives {seen}, on {seen.images} images; say "
            f"{_choices(fits)} (Network(..., head={fits[0]!r}))"
        )
    if stated not in get_args(Head):
        raise UsageError(f"there is no head {stated!r}; there are {', '.join(get_args(Head))}")
    if not _allows(seen, stated, fits):
        raise UsageError(
            f"the network's output contradicts the head {stated!r}: it gives {seen}, on {seen.images} "
            f"images; {_choices([head for head in fits if head != stated])} would fit. If this is by chance, "
            "show others: --images FOLDER"
        )
    return stated


def _underflows(planes: NDArray[Any]) -> bool:
    return int(((planes > 0) & (planes < UNDERFLOW)).sum()) > UNDERFLOW_SHARE * planes.size


def _sums_to_one(planes: NDArray[Any]) -> bool:
    return float(np.abs(planes.sum(axis=0, dtype=np.float32) - 1).max()) <= SUM_SLACK


def _allows(seen: OutputStatistics, stated: Head, fits: Sequence[Head]) -> bool:
    if stated in fits:
        return True
    if stated == "multilabel":  # of probabilities or of log-odds
        return fits[0] not in ("softmax", "labels") or (fits[0] == "labels" and seen.in_unit)
    if stated == "softmax":
        return seen.is_softmax
    if stated == "sigmoid":
        return seen.in_unit and fits[0] != "softmax"
    return False


def _choices(fits: Sequence[Head]) -> str:
    return " or ".join(f"--head {head} ({MEANING[head]})" for head in fits)
