"""Options of the commands that change results on their way to the sinks."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from edgeseg.errors import UsageError, shown

if TYPE_CHECKING:
    from edgeseg.runtime.settings import Polygon


class Corners(click.ParamType["Polygon"]):
    """`x,y x,y x,y`: corners in fractions of the frame, such as 0,0.5 1,0.5 1,1 0,1."""

    name = "X,Y X,Y X,Y..."

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Polygon:
        """Return the corners."""
        from edgeseg.runtime.filters.polygon import check_polygon

        if isinstance(value, tuple):
            return value
        try:
            corners = tuple(_corner(text) for text in str(value).split())
        except ValueError:
            self.fail(
                f"{shown(value)} is no polygon; write column,row of each corner in fractions of the frame, "
                "such as '0,0.5 1,0.5 1,1 0,1'",
                param,
                ctx,
            )
        try:
            check_polygon(corners)
        except UsageError as error:
            self.fail(str(error), param, ctx)
        return corners


def filter_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command --class, --region, --smooth and --track."""
    for option in (
        click.option("--track", is_flag=True, help="Give instances numbers that stay from frame to frame."),
        click.option(
            "--smooth", is_flag=True, help="Steady semantic labels over time where the picture does not move."
        ),
        click.option(
            "--region",
            type=Corners(),
            default=(),
            help="Find nothing outside of this polygon, in fractions of the frame: '0,0.5 1,0.5 1,1 0,1' is "
            "the lower half.",
        ),
        click.option(
            "--class", "classes", multiple=True, metavar="NAME", help="Keep this class only. May repeat."
        ),
    ):
        command = option(command)
    return command


def _corner(text: str) -> tuple[float, float]:
    x, y = text.split(",")
    return float(x), float(y)
