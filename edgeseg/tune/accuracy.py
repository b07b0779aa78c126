"""Say how accurate an engine is in terms of its task, mIoU or AP of masks, by labels or by the fp32 model."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgeseg.errors import UsageError
from edgeseg.evaluation.entry import evaluate
from edgeseg.evaluation.labelled_images import LabelledImages
from edgeseg.graph.portable import PortableModel
from edgeseg.runtime.segmenter import Segmenter
from edgeseg.spec import Task
from edgeseg.tune.agreement import AgreementImages
from edgeseg.tune.images import TuningImages, content_of
from edgeseg.tune.work import Work

POINTS = 100  # of a figure of 1
FIGURES: dict[Task, str] = {"semantic": "miou", "instance": "mask_ap"}
TITLES = {"miou": "mIoU", "mask_ap": "mask AP"}
ACCURACY = "accuracy"  # a kind of what is kept


@dataclass(frozen=True)
class Labels:
    """What is true of images.

    Attributes:
        path: a folder of label maps, or a COCO json; see `LabelledImages`.
        options: further arguments of `LabelledImages`, ready for JSON.
    """

    path: Path
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Judge:
    """Images and their truth, by which engines are judged.

    Attributes:
        data: images, each with what is true of it.
        truth: a digest of them.
    """

    data: LabelledImages | AgreementImages
    truth: str

    @classmethod
    def by_labels(cls, model: PortableModel, images: Path, labels: Labels, most: int) -> Judge:
        """Judge by labels. Raises UsageError if they do not fit the network or the images."""
        data = LabelledImages(model.spec, images, labels.path, most=most, **labels.options)
        files = sorted(path for path in labels.path.rglob("*") if path.is_file()) or [labels.path]
        said = json.dumps(labels.options, sort_keys=True)
        return cls(data, f"{content_of(data.paths)} {content_of(files)} {said}")

    @classmethod
    def by_reference(cls, reference: Segmenter, images: TuningImages) -> Judge:
        """Judge by what the fp32 model finds; it stays open as long as this is in use."""
        digest = f"{content_of(images.paths)} {reference.manifest.model_sha256}"
        return cls(AgreementImages(reference, images.paths), digest)

    @property
    def labelled(self) -> bool:
        """Whether the truth is labels."""
        return isinstance(self.data, LabelledImages)

    @property
    def title(self) -> str:
        """What the points are of."""
        truth = "labels" if self.labelled else "the fp32 model"
        return f"{TITLES[FIGURES[self.data.spec.task]]} against {truth}"

    def fp32_points(self, work: Work, reference: Segmenter, on_image: Callable[[], object]) -> float:
        """Give the figure of the fp32 model, 0..100; raises as `points`."""
        if not self.labelled:
            return POINTS
        key = {"model": reference.manifest.model_sha256, "truth": self.truth}
        kept = work.recall(ACCURACY, key)
        if kept is None:
            kept = self.points(reference, on_image)
            work.keep(ACCURACY, key, kept)
        return float(kept)

    def points(self, segmenter: Segmenter, on_image: Callable[[], object]) -> float:
        """Give an engine's figure, 0..100.

        Args:
            on_image: called after each image.

        Raises:
            UsageError: if there is nothing in the images to find.
        """
        found = evaluate(segmenter, self.data, on_image=on_image).figures[FIGURES[self.data.spec.task]]
        if math.isnan(found.value):
            raise UsageError("the images show nothing that accuracy could be measured on; give others")
        return POINTS * found.value
