"""Check that a network's own output and the logits made of it say the same of every pixel.

What the output means is computed here once more, in NumPy and in the words of the head, sharing nothing with
`head.logits_from`: a proof that compared logits with themselves would pass whatever they mean.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeseg.export.head import Reading

DECISIVE = 1e-5  # of probability: nearer to its threshold, or to the next class, a pixel may fall either way
PROBABILITY_ERROR = 1e-3  # allowed: floors of 1e-4 below the logarithms, and float32


@dataclass
class MeaningErrors:
    """Errors over several images.

    Attributes:
        pixels: decisions that were compared: one a pixel or, where classes may overlap, one a class each.
        differing: of them decided otherwise.
        max_probability: largest difference of a probability, where the output has any.
    """

    pixels: int = 0
    differing: int = 0
    max_probability: float | None = None

    def add(self, raw: NDArray[Any], logits: NDArray[np.float32], reading: Reading) -> None:
        """Compare the logits (C, h, w) of one image with what the network gave for it, (C', h, w)."""
        expected, sure = decisions(raw, reading)
        found = logits > 0 if reading.head.kind == "multilabel" else logits.argmax(axis=0)
        self.pixels += int(sure.sum())
        self.differing += int(((expected != found) & sure).sum())
        if (probabilities := _probabilities(raw, reading)) is not None:
            error = np.abs(probabilities - _probabilities_of(logits, reading, len(raw)))
            self.max_probability = max(self.max_probability or 0.0, float(error.max()))

    def add_labels(self, raw: NDArray[Any], labels: NDArray[np.uint8]) -> None:
        """Compare labels (H, W) of one image with those that the network gave, (1, h, w), repeated."""
        rows, columns = (
            np.arange(side) * given // side for side, given in zip(labels.shape, raw.shape[1:], strict=True)
        )
        self.pixels += labels.size
        self.differing += int((raw[0][rows[:, None], columns] != labels).sum())

    def figures(self) -> dict[str, float]:
        """Give what a parity report says of it."""
        agreement = {"head_agreement": 1.0 - self.differing / max(self.pixels, 1)}
        if self.max_probability is None:
            return agreement
        return {**agreement, "max_probability_error": self.max_probability}

    def failures(self, least_agreement: float) -> list[str]:
        """Say in a sentence each what is beyond tolerance."""
        agreement = self.figures()["head_agreement"]
        found = []
        if agreement < least_agreement:
            found.append(f"of the network's own decisions {100 * agreement:.4g} % are kept")
        if self.max_probability is not None and not self.max_probability <= PROBABILITY_ERROR:
            found.append(f"the network's own probabilities are off by {self.max_probability:.3g}")
        return found


def decisions(raw: NDArray[Any], reading: Reading) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Decide every pixel as the head says.

    Args:
        raw: (C, h, w) as the network gave it.

    Returns:
        (h, w) class ids or, of a `multilabel` head, (C, h, w) booleans; and which are no ties.
    """
    kind, threshold = reading.head.kind, reading.head.threshold
    if kind == "labels":
        return raw[0].astype(np.int64), np.ones(raw.shape[1:], np.bool_)
    scores = raw.astype(np.float64)
    if kind == "multilabel":
        likely = scores if reading.are_probabilities else _sigmoid(scores)
        return likely > threshold, np.abs(likely - threshold) > DECISIVE
    if len(scores) == 1:
        foreground = scores[0] if kind == "sigmoid" else _sigmoid(scores[0])
    elif len(scores) == 2 and kind != "sigmoid":  # noqa: PLR2004 - background and foreground
        foreground = scores[1] if kind == "softmax" else _sigmoid(scores[1] - scores[0])
    else:
        second, first = np.partition(scores, -2, axis=0)[-2:]
        return scores.argmax(axis=0), first - second > DECISIVE
    return (foreground > threshold).astype(np.int64), np.abs(foreground - threshold) > DECISIVE


def _probabilities(raw: NDArray[Any], reading: Reading) -> NDArray[np.float64] | None:
    """Give (C, h, w) probabilities that the network itself states; of one channel the foreground's."""
    if reading.head.kind == "softmax":  # resampled by a cubic filter, it leaves 0..1
        positive = raw.astype(np.float64).clip(min=0)
        shares: NDArray[np.float64] = positive / positive.sum(axis=0)
        return shares
    stated = reading.head.kind == "sigmoid" or reading.are_probabilities
    return raw.astype(np.float64).clip(0, 1) if stated else None


def _probabilities_of(logits: NDArray[np.float32], reading: Reading, channels: int) -> NDArray[np.float64]:
    """Turn logits back into the probabilities (`channels`, h, w) that the network stated."""
    kind, shift = reading.head.kind, reading.head.shift
    scores = logits.astype(np.float64)
    if kind == "multilabel":
        return _sigmoid(scores + shift)
    if kind == "sigmoid":
        return _sigmoid(scores[1:] - scores[:1] + shift) if channels == 1 else np.exp(scores)
    if len(scores) == 2:  # noqa: PLR2004
        scores = scores + np.array([0.0, shift]).reshape(2, 1, 1)
    likely = np.exp(scores - scores.max(axis=0))
    softmax: NDArray[np.float64] = likely / likely.sum(axis=0)
    return softmax


def _sigmoid(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.exp(-np.logaddexp(0.0, -scores))
