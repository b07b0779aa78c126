"""The picture of the CRF shows the part in which most changed, at the right places."""

from __future__ import annotations

import numpy as np
import pytest

from edgeseg.demo.crf_picture import ENLARGED, TITLE_PX, WHITE, WINDOW_HW, View, most_changed, picture_of
from edgeseg.scenes import scene as scenes
from edgeseg.spec import GraphSpec, InputSpec, ModelSpec, OutputSpec, Provenance

HEIGHT, WIDTH = scenes.DEFAULT_SIZE_HW
SPEC = ModelSpec(
    task="semantic",
    class_names=scenes.CLASS_NAMES,
    input=InputSpec(HEIGHT, WIDTH),
    graph=GraphSpec((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
    output_kind="labels",
    outputs=(OutputSpec("labels", "uint8", (1, HEIGHT, WIDTH)),),
    source=Provenance("test"),
    palette_rgb=scenes.PALETTE_RGB,
)


def _blank() -> np.ndarray:
    return np.zeros((HEIGHT, WIDTH), np.uint8)


def test_the_window_holds_what_changed() -> None:
    after = _blank()
    after[100:110, 200:230] = 1
    after[0, 0] = 1
    window = most_changed(_blank(), after)
    assert after[window].shape == WINDOW_HW
    assert np.count_nonzero(after[window]) == 300


@pytest.mark.parametrize(("row", "column"), [(0, 0), (HEIGHT - 1, WIDTH - 1), (17, 300)])
def test_the_window_stays_in_the_frame(row: int, column: int) -> None:
    after = _blank()
    after[row, column] = 3
    window = most_changed(_blank(), after)
    assert after[window].shape == WINDOW_HW
    assert after[window].any()


def test_a_part_is_cut_out_of_all_four() -> None:
    maps = [np.arange(12, dtype=np.uint8).reshape(3, 4) + np.uint8(i) for i in range(3)]
    part = View(np.dstack(maps), *maps).part((slice(1, 2), slice(2, 4)))
    assert part.image.tolist() == [[[6, 7, 8], [7, 8, 9]]]
    assert [part.before.tolist(), part.after.tolist(), part.truth.tolist()] == [[[6, 7]], [[7, 8]], [[8, 9]]]


def test_the_enlarged_part_shows_each_label_map_and_the_true_boundary() -> None:
    before, after, truth = _blank(), _blank(), _blank()
    before[:, :170] = 1
    after[:, :176] = 1
    truth[:, :180] = 1
    top, left = 90, 150
    window = slice(top, top + WINDOW_HW[0]), slice(left, left + WINDOW_HW[1])
    picture = picture_of(View(np.zeros((HEIGHT, WIDTH, 3), np.uint8), before, after, truth), window, SPEC)
    assert picture.shape == (TITLE_PX + 2 * HEIGHT, 4 * WIDTH, 3)
    parts = picture[TITLE_PX + HEIGHT :].reshape(HEIGHT, 4, WIDTH, 3)
    boundary = ENLARGED * (180 - left)
    for column, ends in ((1, 170), (2, 176), (3, 180)):
        row = parts[HEIGHT // 2, column].astype(int)
        assert row[boundary].tolist() == list(WHITE)
        red = np.flatnonzero((row.sum(axis=1) > 0) & (row != WHITE).any(axis=1))
        assert red.max() == ENLARGED * (ends - left) - 1
    assert not parts[:, 0].any()  # the frame, which is black
    assert (picture[TITLE_PX + top, left : left + WINDOW_HW[1]] == WHITE).all()  # the window's frame
