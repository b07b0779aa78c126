"""Options of the commands that cut large frames into tiles."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from edgeseg.cli.options import Number

DEFAULT_OVERLAP = 0.25  # as for `Tiling`


def tile_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command --tiles and --tile-overlap, to be read by `tiling_of`."""
    for option in (
        click.option(
            "--tile-overlap",
            type=Number(min=0, max=0.5, max_open=True),
            default=DEFAULT_OVERLAP,
            show_default=True,
            help="Least overlap of neighbouring tiles, as a fraction of a tile.",
        ),
        click.option(
            "--tiles",
            metavar="auto|COLSxROWS",
            help="Cut frames that are larger than the network's input into tiles, instead of shrinking them: "
            "as they are (auto), or fitted to so many columns and rows. Every tile takes an inference.",
        ),
    ):
        command = option(command)
    return command
