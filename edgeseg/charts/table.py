"""Make a table whose numbers stand under each other, and bars within it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from edgeseg.charts.chart import TONES
from edgeseg.charts.elements import Child, element

MANY_COLUMNS = 4  # of numbers, for a phone
MOST_COLUMNS = 6  # that the style sheet lays out there


@dataclass(frozen=True)
class Cell:
    """A cell with a smaller second line, such as an interval below a value."""

    text: str
    below: str = ""


Content = str | Cell | Element


def table(headers: Sequence[str], rows: Sequence[Sequence[Content]], *, texts: int = 1) -> Element:
    """Make a table.

    Args:
        headers: one a column.
        rows: of as many cells each.
        texts: how many columns, from the left, hold text; the others hold numbers, and stand at the right. A
            phone shows the text above the numbers where those are many.
    """
    kinds = ["text" if column < texts else "number" for column in range(len(headers))]
    numbers = len(headers) - texts
    head = [element("th", name, scope="col", class_=kind) for name, kind in zip(headers, kinds, strict=True)]
    body = [
        [element("td", *_content(cell), class_=kind) for cell, kind in zip(row, kinds, strict=True)]
        for row in rows
    ]
    return element(
        "table",
        element("thead", element("tr", *head)),
        element("tbody", *(element("tr", *cells) for cells in body)),
        class_=f"stacked columns-{min(numbers, MOST_COLUMNS)}" if numbers >= MANY_COLUMNS else "plain",
    )


def share_bar(share: float, tone: int = 0) -> Element:
    """Draw a bar as long as `share`, 0..1, of its cell."""
    width = f"{100 * min(max(share, 0.0), 1.0):.2f}%"
    bar = element("rect", class_=f"area tone-{tone % TONES}", width=width, height="100%")
    return element("svg", bar, class_="bar", aria_hidden="true")


def _content(cell: Content) -> list[Child]:
    if isinstance(cell, str):
        return [element("bdi", cell)]
    if isinstance(cell, Cell):
        below = [element("small", element("bdi", cell.below))] if cell.below else []
        return [element("bdi", cell.text), *below]
    return [cell]
