"""Say how far a contender's result is that of PyTorch."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmarks.peers.by_hand import Result
from edgeseg.metrics.object_agreement import Instances, match

SAME_SCORE = 1e-3


def agreement(folder: Path, name: str, picture: str) -> str:
    """Compare the result that was kept with the reference of the same picture.

    Returns:
        The share of equal labels; or, of PyTorch's detections, how many were found too: of the same class,
        with boxes that overlap by IoU > 0.99 and the score within SAME_SCORE. `picture` is `fitted` where the
        resizing is left out of the comparison: random weights turn its rounding into other detections.
    """
    expected = dict(np.load(folder / f"reference-{picture}.npz"))
    found = dict(np.load(folder / f"result-{name.replace(' ', '-')}.npz"))
    if "labels" in expected:
        return f"{100 * float((expected['labels'] == found['labels']).mean()):.3f} %"
    theirs, own = _instances(expected), _instances(found)
    pairs = match(theirs, own)
    error = abs(theirs.scores[pairs[:, 0]] - own.scores[pairs[:, 1]])
    extra = len(own.scores) - len(pairs)
    more = f", {extra} more" if extra else ""
    return f"{int((error < SAME_SCORE).sum())} of {len(theirs.scores)}{more}"


def _instances(result: Result) -> Instances:
    return Instances(result["boxes"], result["scores"], result["class_ids"], np.zeros((0, 1, 1), np.float32))
