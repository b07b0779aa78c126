"""Run a network on labelled images, alone or beside another, and measure what it finds."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from edgeseg.errors import UsageError
from edgeseg.evaluation.disagreement import Disagreement, ObjectDisagreement, PixelDisagreement
from edgeseg.evaluation.evaluation import Evaluation, ImageScore
from edgeseg.evaluation.figures import compared
from edgeseg.evaluation.instances import InstanceSheet
from edgeseg.evaluation.labelled_images import Labelled, Truth
from edgeseg.evaluation.semantic import SemanticSheet
from edgeseg.evaluation.worst import WorstImages, picture_of, result_of
from edgeseg.frames.results import InstanceResult, Result
from edgeseg.metrics.bootstrap import FEW_IMAGES
from edgeseg.metrics.boundary import TOLERANCE_PX
from edgeseg.runtime.segmenter import Segmenter
from edgeseg.spec import ModelSpec

LOW_SCORE = 0.05  # from which on detectors are usually evaluated: torchvision's own threshold

AnySheet = SemanticSheet | InstanceSheet


class Data(Protocol):
    """Images and what is true of them: `LabelledImages`, or what has the same."""

    @property
    def spec(self) -> ModelSpec:
        """Of the network whose classes the truth is in."""

    @property
    def class_ids(self) -> Collection[int]:
        """Classes of objects that the truth knows."""

    @property
    def notes(self) -> Sequence[str]:
        """What a reader of the figures must know."""

    def __iter__(self) -> Iterator[Labelled]: ...


def evaluate(
    segmenter: Segmenter,
    data: Data,
    *,
    against: Segmenter | None = None,
    boundary_px: float = TOLERANCE_PX,
    worst: int = 0,
    on_image: Callable[[], object] = lambda: None,
) -> Evaluation:
    """Measure a network on labelled images, as it is deployed: frames go through its Segmenter.

    Each figure has an interval: the middle 95 percent of what a bootstrap over images gives. With `against`,
    both networks see the same images, and the interval of a difference is of the same draws.

    Args:
        data: read for `segmenter.spec`.
        against: another engine of the same classes, or the portable model.
        boundary_px: within which boundaries agree, in the images' own pixels.
        worst: how many images to keep as pictures: those with the least score, or with `against` those that
            lost most.
        on_image: called after each image.

    Raises:
        UsageError: if the two networks cannot be compared, or the labels show nothing to find.
        SourceError: if none of the images can be read.
        EngineError: if an engine fails.
    """
    spec = segmenter.spec
    segmenters = [segmenter]
    disagreement: Disagreement | None = None
    if against is not None:
        check_alike(spec, against.spec)
        segmenters.append(against)
        disagreement = PixelDisagreement() if spec.task == "semantic" else ObjectDisagreement()
    sheets = [_sheet(data, boundary_px) for _ in segmenters]
    names = ["engine", "against"][: len(segmenters)]
    images: list[ImageScore] = []
    kept = WorstImages(worst)
    for labelled in data:
        image = labelled.image
        results = [one(image) for one in segmenters]
        scores = [_add(sheet, labelled.truth, one) for sheet, one in zip(sheets, results, strict=True)]
        if disagreement is not None:
            _add_difference(disagreement, *results)
        images.append(ImageScore(labelled.name, *scores))
        if worst:
            drawn = {"truth": labelled.truth, **dict(zip(names, results, strict=True))}
            kept.consider(labelled.name, images[-1].worth, partial(_picture, image, drawn, spec))
        on_image()
    _refuse_empty(sheets[0], spec)
    figures, class_figures = compared(*sheets)
    return Evaluation(
        engine=segmenter.manifest,
        against=None if against is None else against.manifest,
        class_names=spec.class_names,
        figures=figures,
        class_figures=class_figures,
        true_counts=sheets[0].true_counts,
        confusion=sheets[0].confusion,
        disagreement=disagreement,
        images=images,
        worst=kept.images,
        notes=[*data.notes, *_notes(segmenters, len(images))],
    )


def _sheet(data: Data, boundary_px: float) -> AnySheet:
    classes = len(data.spec.class_names)
    if data.spec.task == "semantic":
        return SemanticSheet(classes, tolerance_px=boundary_px)
    return InstanceSheet(classes, data.class_ids)


def _add(sheet: AnySheet, truth: Truth, result: Result) -> float:
    if isinstance(sheet, SemanticSheet):
        assert isinstance(truth, np.ndarray)
        assert not isinstance(result, InstanceResult)
        return sheet.add(truth, result.labels)
    assert not isinstance(truth, np.ndarray)
    assert isinstance(result, InstanceResult)
    return sheet.add(truth, result)


def _add_difference(disagreement: Disagreement, result: Result, other: Result) -> None:
    if isinstance(disagreement, PixelDisagreement):
        assert not isinstance(result, InstanceResult)
        assert not isinstance(other, InstanceResult)
        disagreement.add(result.labels, other.labels)
    else:
        assert isinstance(result, InstanceResult)
        assert isinstance(other, InstanceResult)
        disagreement.add(result, other)


def _picture(image: NDArray[np.uint8], drawn: dict[str, Truth | Result], spec: ModelSpec) -> bytes | None:
    if not spec.input.takes_camera_frames:
        return None
    size_hw = image.shape[0], image.shape[1]
    results = {
        name: result_of(one, size_hw) if isinstance(one, (np.ndarray, list)) else one
        for name, one in drawn.items()
    }
    return picture_of(image, results, spec)


def check_alike(spec: ModelSpec, other: ModelSpec) -> None:
    """Raise UsageError if two networks do not do the same on the same frames."""
    for what, ours, theirs in (
        ("task", spec.task, other.task),
        ("number of classes", len(spec.class_names), len(other.class_names)),
        ("classes", ", ".join(spec.class_names), ", ".join(other.class_names)),
        ("channels", spec.input.channels, other.input.channels),
        ("type of pixels", spec.input.dtype, other.input.dtype),
    ):
        if ours != theirs:
            raise UsageError(
                f"the two networks differ in their {what}, {ours} and {theirs}, so their figures do not "
                "compare; give an engine or the portable model of the same network"
            )


def _refuse_empty(sheet: AnySheet, spec: ModelSpec) -> None:
    if not len(sheet):
        raise UsageError("no image was measured; give at least one that has labels")
    if not sheet.true_counts.any():
        what = "pixel that is counted" if spec.task == "semantic" else "object of the network's classes"
        raise UsageError(f"the labels of {len(sheet)} images hold no {what}, so there is nothing to measure")


def _notes(segmenters: Sequence[Segmenter], images: int) -> list[str]:
    """Say what a reader of the figures must know."""
    notes = []
    if images < FEW_IMAGES:
        notes.append(f"intervals of {images} images are too narrow; take {FEW_IMAGES} or more")
    spec = segmenters[0].spec
    if spec.task == "instance" and spec.thresholds.score > LOW_SCORE:
        notes.append(
            f"the engine keeps what scores {spec.thresholds.score:g} or more, AP is of that; data sets' own "
            f"figures are of {LOW_SCORE:g} or less: export --score-threshold"
        )
    for one in segmenters:
        notes += one.notes
    return notes
