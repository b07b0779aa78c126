"""Colours of different classes are told apart, with normal eyes and without one kind of cone."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from edgeseg.palette import WELL_APART, default_palette, with_background

# Machado, Oliveira and Fernandes 2009, severity 1, on linear RGB: what a dichromat sees.
VISION = {
    "normal": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "tritanopia": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}


def seen(palette: tuple[tuple[int, int, int], ...], vision: np.ndarray) -> np.ndarray:
    """Give the colours (N, 3) in 0..1 as an eye sees them."""
    rgb = np.array(palette) / 255
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    linear = (linear @ vision.T).clip(0, 1)
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


@pytest.mark.parametrize("vision", VISION)
@pytest.mark.parametrize(("classes", "least"), [(8, 18.9), (12, 14.9), (21, 10.0), (33, 7.5)])
def test_classes_differ_to_every_eye(classes: int, least: float, vision: str) -> None:
    color = pytest.importorskip("skimage.color")
    palette = default_palette(["background", *map(str, range(1, classes))])
    lab = color.rgb2lab(seen(palette, VISION[vision]))
    first, second = np.array(list(combinations(range(classes), 2))).T
    assert color.deltaE_ciede2000(lab[first], lab[second]).min() >= least


def test_there_are_different_colours_for_all_classes() -> None:
    palette = default_palette([str(i) for i in range(255)])
    assert len(set(palette)) == 255
    assert palette[: len(WELL_APART)] == WELL_APART
    assert (0, 0, 0) not in palette
    assert all(0 <= part <= 255 for colour in palette for part in colour)


@pytest.mark.parametrize(
    "name", ["background", "Background", "void", "unlabeled", "_background_", "__background__", "Background "]
)
def test_class_0_is_the_background_where_its_name_says_so(name: str) -> None:
    assert default_palette([name, "road"]) == ((0, 0, 0), WELL_APART[0])
    assert default_palette(["road", name]) == WELL_APART[:2]


def test_the_background_is_what_was_said() -> None:
    names = ["background", "road", "sky"]
    assert default_palette(names, "none") == WELL_APART[:3]
    assert default_palette(names, 2) == (*WELL_APART[:2], (0, 0, 0))
    given = ((0, 0, 0), (9, 9, 9), (5, 6, 7))
    assert with_background(given, "named") == given
    assert with_background(given, "none") == ((1, 1, 1), *given[1:])  # a black that is painted
    assert with_background(given, 1) == ((0, 0, 0), (0, 0, 0), (5, 6, 7))
