"""What commands take that read label maps: what their values mean, and how their names end."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import click

from edgeseg.cli.options import PATH
from edgeseg.cli.palette_options import read_palette
from edgeseg.errors import shown

LARGEST_LABEL = 65535
LABELS_HELP = (
    "A folder of label maps, of the images' names: PNGs of class ids, with a palette or in colour. For "
    "instances a COCO json; of one kind of object also a folder of instance maps."
)


class IgnoreLabel(click.ParamType[int | Literal["none"]]):
    """A value of label maps, or `none`."""

    name = "N|none"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> int | Literal["none"]:
        """Return the number, or `none`."""
        if value == "none":
            return "none"
        if isinstance(value, int):
            return value
        if not re.fullmatch("[0-9]{1,5}", str(value)) or int(value) > LARGEST_LABEL:
            self.fail(f"{shown(value)} is neither a value of 0 to {LARGEST_LABEL} nor none", param, ctx)
        return int(value)


def label_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the flags that `labelled_arguments` reads."""
    for flag in reversed(_FLAGS):
        command = flag(command)
    return command


def labelled_arguments(given: dict[str, Any]) -> dict[str, Any]:
    """Take a command's flags of labels out of all its arguments: further arguments of `LabelledImages`."""
    palette: Path | None = given.pop("palette")
    names = ("ignore_label", "rules", "image_suffix", "label_suffix")
    return {
        "palette_rgb": () if palette is None else read_palette(palette),
        **{name: given.pop(name) for name in names},
    }


_FLAGS = (
    click.option(
        "--palette",
        type=PATH,
        metavar="NAME|FILE",
        help="The colours of the classes, for label maps in colour: of a data set, such as voc, or one a "
        "line.",
    ),
    click.option(
        "--ignore-label",
        type=IgnoreLabel(),
        help="The value in label maps that is not counted; by default that of the data set whose classes the "
        "network has, or 255.",
    ),
    click.option(
        "--map-label",
        "rules",
        multiple=True,
        metavar="VALUE=CLASS",
        help="What a value in label maps means: 255=1, 100-199=2, 0=ignore; or cityscapes-ids, ade20k, "
        "pascal-context-59: as these data sets store classes. May repeat.",
    ),
    click.option(
        "--image-suffix", default="", metavar="TEXT", help="End of images' names, such as _leftImg8bit."
    ),
    click.option("--label-suffix", default="", metavar="TEXT", help="End of label maps' names, such as _L."),
)
