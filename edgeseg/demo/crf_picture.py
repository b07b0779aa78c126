"""Measure what the CRF brings to the demo's DeepLab, and draw it on one scene."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgeseg.demo.showcase import FIRST_UNSEEN_SEED
from edgeseg.files import write_whole
from edgeseg.frames.results import SemanticResult
from edgeseg.metrics.scores import Scores, ScoreSheet
from edgeseg.opencv import cv2
from edgeseg.runtime.crf.refinement import Refinement
from edgeseg.runtime.engine import Engine
from edgeseg.runtime.overlay import draw
from edgeseg.runtime.segmenter import Segmenter
from edgeseg.runtime.sinks.base import encode_image
from edgeseg.scenes import scene as scenes
from edgeseg.spec import CRFSpec, ModelSpec

NETWORK = "deeplab"  # the demo exports it with logits
# Found by a search like that of `fit.fit`, of 80 trials, on 24 scenes of seeds from 700,000 up, none of which
# is measured or shown.
FITTED = CRFSpec(
    height=480,
    appearance_position_px=43.5,
    appearance_colour=8.02,
    appearance_weight=7.97,
    smoothness_position_px=1.41,
    smoothness_weight=0.929,
    iterations=4,
)
TEST_SCENES = 20

ENLARGED = 4  # times
WINDOW_HW = tuple(side // ENLARGED for side in scenes.DEFAULT_SIZE_HW)
TITLES = ("frame", "without the CRF", "with the CRF", "truth")
TITLE_PX = 24  # of the strip above the views
TITLE_SCALE = 0.5
ALPHA = 0.7  # of a label's colour in the enlarged part
WHITE = (255, 255, 255)

Window = tuple[slice, slice]  # rows and columns


class Change(NamedTuple):
    """Scores of the labels without the CRF, and with it."""

    before: Scores
    after: Scores


@dataclass(frozen=True, eq=False)
class View:
    """A frame (H, W, 3) with its labels (H, W) without the CRF, with it, and in truth."""

    image: NDArray[np.uint8]
    before: NDArray[np.uint8]
    after: NDArray[np.uint8]
    truth: NDArray[np.uint8]

    def part(self, window: Window) -> View:
        """Cut out a window."""
        return View(self.image[window], self.before[window], self.after[window], self.truth[window])


@dataclass(frozen=True)
class Refined:
    """What the CRF does to labels, on TEST_SCENES, and on what the picture shows whole and enlarged."""

    overall: Change
    shown: Change
    enlarged: Change


def show_crf(engine: Path, picture: Path) -> Refined:
    """Score labels without and with the CRF on TEST_SCENES, and draw those of a typical scene.

    It is the scene whose gain in boundary F is the median. Below its whole views stands the part in which the
    CRF changed most labels, for better or worse, enlarged, with white lines where classes meet in truth.

    Args:
        engine: of NETWORK, with logits.
        picture: the file to be written; two rows of four views.
    """
    tested = [scenes.generate(FIRST_UNSEEN_SEED + i) for i in range(TEST_SCENES)]
    with Engine.open(engine) as opened:
        without_crf, with_crf = Segmenter(opened), Segmenter(opened, refinement=Refinement(FITTED))
        views = [_view(without_crf, with_crf, scene) for scene in tested]
        changes = [_change([view]) for view in views]
        gains = [change.after.boundary_f - change.before.boundary_f for change in changes]
        typical = gains.index(statistics.median_low(gains))
        shown = views[typical]
        window = most_changed(shown.before, shown.after)
        write_whole(picture, encode_image(picture, picture_of(shown, window, opened.spec)))
    return Refined(_change(views), changes[typical], _change([shown.part(window)]))


def most_changed(before: NDArray[np.uint8], after: NDArray[np.uint8]) -> Window:
    """Find the window of WINDOW_HW in which most labels of two (H, W) maps differ; the topmost if tied."""
    height, width = WINDOW_HW
    differs = (before != after).astype(np.float64)
    total = cv2.integral(differs)  # (H + 1, W + 1) sums of what lies above and to the left
    counts = (
        total[height:, width:] - total[:-height, width:] - total[height:, :-width] + total[:-height, :-width]
    )
    top, left = np.unravel_index(counts.argmax(), counts.shape)
    return slice(int(top), int(top) + height), slice(int(left), int(left) + width)


def picture_of(view: View, window: Window, spec: ModelSpec) -> NDArray[np.uint8]:
    """Put titles, the whole views with the window marked, and the window enlarged one below the other.

    Args:
        view: of scenes.DEFAULT_SIZE_HW.
        window: of WINDOW_HW.

    Returns:
        (TITLE_PX + 2 H, 4 W, 3) uint8 BGR, a column for each of TITLES.
    """
    maps = (view.before, view.after, view.truth)
    whole = [view.image.copy(), *(draw(view.image, SemanticResult(labels), spec) for labels in maps)]
    rows, columns = window
    for picture in whole:
        cv2.rectangle(picture, (columns.start, rows.start), (columns.stop - 1, rows.stop - 1), WHITE)
    image, truth = _enlarge(view.image[window]), _enlarge(view.truth[window])
    parts = [image, *(_paint(image, _enlarge(labels[window]), truth) for labels in maps)]
    strip = np.zeros((TITLE_PX, len(TITLES) * image.shape[1], 3), np.uint8)
    for column, title in enumerate(TITLES):
        foot_left = (column * image.shape[1] + TITLE_PX // 3, TITLE_PX * 2 // 3)
        cv2.putText(strip, title, foot_left, cv2.FONT_HERSHEY_SIMPLEX, TITLE_SCALE, WHITE, 1, cv2.LINE_AA)
    return np.vstack([strip, np.hstack(whole), np.hstack(parts)])


def _view(without_crf: Segmenter, with_crf: Segmenter, scene: scenes.Scene) -> View:
    """Label a scene without the CRF and with it, from the same logits."""
    prepared = without_crf.preprocess(scene.image)
    outputs = without_crf.infer(prepared)
    before = without_crf.finish(outputs, prepared.placement, scene.image)
    after = with_crf.finish(outputs, prepared.placement, scene.image)
    assert isinstance(before, SemanticResult)
    assert isinstance(after, SemanticResult)
    return View(scene.image, before.labels, after.labels, scene.labels)


def _change(views: Sequence[View]) -> Change:
    """Score the labels of all views together."""
    before, after = (ScoreSheet(len(scenes.CLASS_NAMES)) for _ in range(2))
    for view in views:
        before.add(view.truth, view.before)
        after.add(view.truth, view.after)
    return Change(before.scores(), after.scores())


def _enlarge(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Repeat the pixels of (H, W) or (H, W, 3) ENLARGED times along both sides."""
    return picture.repeat(ENLARGED, axis=0).repeat(ENLARGED, axis=1)


def _paint(
    image: NDArray[np.uint8], labels: NDArray[np.uint8], truth: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    """Lay the colours of labels over an image in grey, and a white line where true labels meet."""
    grey = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    colours = np.array(scenes.PALETTE_RGB, np.uint8)[:, ::-1][labels]
    painted: NDArray[np.uint8] = np.asarray(cv2.addWeighted(grey, 1 - ALPHA, colours, ALPHA, 0.0), np.uint8)
    painted[cv2.morphologyEx(truth, cv2.MORPH_GRADIENT, np.ones((2, 2), np.uint8)) > 0] = WHITE
    return painted
