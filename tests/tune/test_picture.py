"""The picture shows each engine where its time and its loss are, and joins the front."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import cv2
import pytest

from edgeseg.errors import UsageError
from edgeseg.tune.drawing import SCALE, Path2D, Words, check_picture, write_picture
from edgeseg.tune.picture import BOTTOM, LEFT, MOST_NAMED, RIGHT, SIZE_WH, TOP, picture_of
from tests.tune.reports import candidate, tuning

FOUND = tuning(
    candidate(10.0, 0.4, precision="int8", verdict="kept"),
    candidate(20.0, 0.0),
    candidate(30.0, 0.1, backend="openvino"),
    candidate(8.0, 3.0, precision="fp16", verdict="loses too much"),
)


def test_each_engine_is_named_and_the_kept_one_is_marked() -> None:
    shapes, told = picture_of(FOUND)
    texts = [shape.text for shape in shapes if isinstance(shape, Words)]
    assert "onnxruntime int8: 10.0 ms, +0.40, kept" in texts
    assert "openvino fp32: 30.0 ms, +0.10" in texts
    assert "0.5 allowed" in texts
    assert told == "4 engines by time and loss; kept: onnxruntime int8, 10.0 ms"


def test_the_front_goes_from_the_fastest_to_the_most_accurate_within_the_plot() -> None:
    shapes, _ = picture_of(FOUND)
    (front,) = [shape for shape in shapes if isinstance(shape, Path2D) and shape.stroke == (120, 120, 120)]
    assert len(front.points) == 3  # 8, 10 and 20 ms; 30 ms is both slower and less accurate than 20
    assert all(a[0] < b[0] and a[1] > b[1] for a, b in pairwise(front.points))  # less lost is higher
    assert all(LEFT <= x <= RIGHT and TOP <= y <= BOTTOM for x, y in front.points)


def test_of_many_engines_the_fastest_are_named() -> None:
    many = tuning(*(candidate(10.0 + i, 0.0, verdict="slower" if i else "kept") for i in range(30)))
    texts = [shape.text for shape in picture_of(many)[0] if isinstance(shape, Words)]
    assert f"and {30 - MOST_NAMED} slower ones" in texts


@pytest.mark.parametrize("lost", [0.0, -0.2])
def test_one_engine_alone_is_a_picture(lost: float) -> None:
    shapes, _ = picture_of(tuning(candidate(10.0, lost, verdict="kept"), max_drop=0.0))
    assert shapes


def test_both_formats_hold_the_same(tmp_path: Path) -> None:
    shapes, told = picture_of(FOUND)
    for name in ("a.svg", "a.png"):
        write_picture(tmp_path / name, shapes, SIZE_WH, told)
    root = ElementTree.parse(tmp_path / "a.svg").getroot()
    assert root.attrib["viewBox"] == "0 0 {} {}".format(*SIZE_WH)
    drawn = [child.text for child in root if child.tag.endswith("}text")]
    assert drawn == [shape.text for shape in shapes if isinstance(shape, Words)]
    assert not re.search("href|script", (tmp_path / "a.svg").read_text())
    image = cv2.imread(str(tmp_path / "a.png"))
    assert image is not None
    assert image.shape == (SIZE_WH[1] * SCALE, SIZE_WH[0] * SCALE, 3)
    assert (image != 255).any()


def test_another_format_is_refused() -> None:
    with pytest.raises(UsageError, match=r"ends in \.svg or \.png, got a\.jpg"):
        check_picture(Path("a.jpg"))
