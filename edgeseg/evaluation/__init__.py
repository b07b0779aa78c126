"""Measure engines on labelled images of the user's own.

Frames go through the runtime's own `Segmenter`, so the figures are those of the engine as it is deployed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgeseg.lazy import public_names

if TYPE_CHECKING:
    from edgeseg.evaluation.entry import evaluate
    from edgeseg.evaluation.evaluation import Evaluation, ImageScore
    from edgeseg.evaluation.figures import Difference, Figure
    from edgeseg.evaluation.labelled_images import LabelledImages
    from edgeseg.evaluation.opening import open_segmenter

_HOMES = {
    "Difference": "edgeseg.evaluation.figures",
    "Evaluation": "edgeseg.evaluation.evaluation",
    "Figure": "edgeseg.evaluation.figures",
    "ImageScore": "edgeseg.evaluation.evaluation",
    "LabelledImages": "edgeseg.evaluation.labelled_images",
    "evaluate": "edgeseg.evaluation.entry",
    "open_segmenter": "edgeseg.evaluation.opening",
}
__all__ = ["Difference", "Evaluation", "Figure", "ImageScore", "LabelledImages", "evaluate", "open_segmenter"]

__getattr__ = public_names(__name__, _HOMES)
