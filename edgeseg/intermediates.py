"""Name what a Mask R-CNN computes between its image and its detections, so that a proof can compare it.

A detector decides: which anchors, which boxes of several, which detections. Where a decision ties, rounding
makes it, and everything after it is another's. What lies between two decisions is plain arithmetic. A network
that is given a `Probe` calls it with every number that a decision is made from, and with every decision:

| name | shape | what |
| --- | --- | --- |
| `maps.l` | (N, C, H_l, W_l) | the pyramid's level l |
| `rpn.logits.l`, `rpn.deltas.l` | (N, A_l), (N, 4, A_l) | objectness and deltas of its anchors |
| `rpn.chosen.l` | (N, k_l) | the anchors with the best objectness, best first |
| `rpn.boxes`, `rpn.scores` | (N, L K, 4), (N, L K) | the chosen ones, moved; score 0 is padding |
| `rpn.keep` | (N L, K) | which of them suppression keeps |
| `rpn.best` | (N, P) | the best of all levels, into L K |
| `proposals.boxes`, `proposals.scores` | (N, P, 4), (N, P) | those |
| `heads.logits`, `heads.deltas` | (N P, C), (N P, 4 C) | the box head's answer to each proposal |
| `heads.chosen`, `heads.probabilities` | (N, M) | the best pairs of proposal and class, and their scores |
| `heads.boxes`, `heads.scores` | (N, M, 4), (N, M) | those, moved; score 0 is padding |
| `heads.keep` | (N, M) | which of them suppression keeps |
| `heads.best` | (N, D) | the best of those, into M |
| `detections.boxes`, `.scores`, `.class_ids` | (N, D, 4), (N, D), (N, D) | those |
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Probe = Callable[[str, Any], None]
"""Takes an intermediate value's name and its tensor."""

DETECTIONS = ("detections.boxes", "detections.scores", "detections.class_ids")
INTERMEDIATES = (
    *("rpn.boxes", "rpn.scores", "rpn.keep", "rpn.best", "proposals.boxes", "proposals.scores"),
    *("heads.logits", "heads.deltas", "heads.chosen", "heads.probabilities"),
    *("heads.boxes", "heads.scores", "heads.keep", "heads.best"),
    *DETECTIONS,
)
LEVEL_INTERMEDIATES = ("maps", "rpn.logits", "rpn.deltas", "rpn.chosen")


def intermediate_names(levels: int) -> tuple[str, ...]:
    """List all names that a network with so many pyramid levels shows."""
    return (*(f"{name}.{level}" for name in LEVEL_INTERMEDIATES for level in range(levels)), *INTERMEDIATES)


def no_probe(name: str, value: object) -> None:
    """Probe nothing: what a network does unless somebody wants to see its intermediate values."""
