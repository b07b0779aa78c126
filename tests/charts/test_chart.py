"""Charts: each mark stands where its numbers say."""

from __future__ import annotations

from xml.etree.ElementTree import Element

from edgeseg.charts.axis import Axis
from edgeseg.charts.chart import FINE, Box, Boxes, Line, Point, Points, Rule, chart, legend

X = Axis("ms", 0, 10)
Y = Axis("frames", 0, 100)


def _of_class(drawn: Element, name: str) -> list[Element]:
    return [each for each in drawn.iter() if name in each.get("class", "").split()]


def test_a_point_stands_where_its_axes_place_it() -> None:
    drawn = chart(X, Y, [Points([Point(2, 75, "conv", "1")], tone=3)], label="points")
    (point,) = _of_class(drawn, "point")
    assert (point.get("cx"), point.get("cy")) == ("20.00%", "25.00%")
    assert "tone-3" in point.get("class", "")
    assert point[0].text == "conv"
    (label,) = _of_class(drawn, "label")
    assert label.text == "1"


def test_a_box_hangs_between_its_corners() -> None:
    (box,) = _of_class(chart(X, Y, [Boxes([Box(1, 3, 0, 40)])], label="boxes"), "area")
    assert [box.get(name) for name in ("x", "y", "width", "height")] == [
        "10.00%",
        "60.00%",
        "20.00%",
        "40.00%",
    ]


def test_a_line_goes_through_its_points() -> None:
    (line,) = _of_class(chart(X, Y, [Line([(0, 0), (5, 100)], dashed=True)], label="line"), "line")
    assert line.get("points") == f"0,{FINE} {FINE // 2},0"
    assert "dashed" in line.get("class", "").split()


def test_a_label_at_the_right_end_stands_left_of_its_place() -> None:
    drawn = chart(X, Y, [Rule(1, "p50"), Rule(9, "p99", level=1)], label="rules")
    first, last = _of_class(drawn, "label")
    assert "left" not in first.get("class", "").split()
    assert "left" in last.get("class", "").split()
    assert first.get("dy") != last.get("dy")


def test_labels_are_drawn_over_all_marks() -> None:
    drawn = chart(X, Y, [Rule(1, "p50"), Boxes([Box(0, 9, 0, 90)])], label="rules")
    order = [each.get("class", "").split()[0] for each in drawn.iter() if each.get("class")]
    assert order.index("label") > order.index("area")


def test_it_says_what_it_shows_and_the_units() -> None:
    drawn = chart(X, Y, [], label="A histogram")
    (plot,) = _of_class(drawn, "plot")
    assert plot.get("aria-label") == "A histogram"
    texts = [each.text for each in _of_class(drawn, "axis")]
    assert texts == ["frames", "ms"]
    assert [each.text for each in _of_class(drawn, "x")] == ["0", "2", "4", "6", "8", "10"]


def test_a_legend_names_the_tones() -> None:
    drawn = legend([("infer", 2), ("<b>", 3)])
    assert [each.text for each in drawn.iter("bdi")] == ["infer", "<b>"]
    assert [each.get("class") for each in drawn.iter("rect")] == ["area tone-2", "area tone-3"]
