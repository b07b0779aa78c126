"""Draw polygons, lines and words as a picture, SVG or PNG: the same one in both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from xml.etree import ElementTree

import numpy as np

from edgeseg.errors import UsageError
from edgeseg.files import write_whole
from edgeseg.opencv import cv2
from edgeseg.palette import RGBColour
from edgeseg.runtime.sinks.base import encode_image

FORMATS = (".svg", ".png")
PAPER: RGBColour = (255, 255, 255)
INK: RGBColour = (40, 40, 40)
FAINT: RGBColour = (215, 215, 215)
SCALE = 2  # of PNGs, so that they are sharp on screens of today
FONT, PX_OF_FONT = cv2.FONT_HERSHEY_SIMPLEX, 30.0  # height of a line at scale 1
SUBPIXEL_BITS = 4

Point = tuple[float, float]
"""Pixels to the right of the picture's left edge, and below its upper one."""


@dataclass(frozen=True)
class Path2D:
    """A line through points, or what it encloses.

    Attributes:
        fill: of what it encloses; None leaves it open.
        stroke: of the line; None draws none.
    """

    points: Sequence[Point]
    stroke: RGBColour | None = INK
    fill: RGBColour | None = None
    width_px: float = 1.0


@dataclass(frozen=True)
class Words:
    """A line of text; `at` is the start, the middle or the end of its base line."""

    text: str
    at: Point
    size_px: float = 13.0
    anchor: Literal["start", "middle", "end"] = "start"
    colour: RGBColour = INK


Shape = Path2D | Words


def write_picture(path: Path, shapes: Sequence[Shape], size_wh: tuple[int, int], title: str) -> None:
    """Write shapes, the later ones over the earlier ones, as the suffix of `path` says, whole or not at all.

    Args:
        title: says in words what is seen, for those who do not see it; SVG alone takes one.

    Raises:
        UsageError: if the suffix is none of FORMATS.
        SinkError: if it cannot be written.
    """
    check_picture(path)
    if path.suffix == ".svg":
        write_whole(path, svg(shapes, size_wh, title))
    else:
        write_whole(path, encode_image(path, pixels(shapes, size_wh)))


def check_picture(path: Path) -> None:
    """Raise UsageError, if a picture's name has another suffix than FORMATS."""
    if path.suffix not in FORMATS:
        raise UsageError(f"a picture ends in {' or '.join(FORMATS)}, got {path}")


def svg(shapes: Sequence[Shape], size_wh: tuple[int, int], title: str) -> bytes:
    """Give shapes as an SVG document."""
    width, height = size_wh
    root = ElementTree.Element(
        "svg",
        {
            "xmlns": "http://www.w3.org/2000/svg",
            "viewBox": f"0 0 {width} {height}",
            "width": str(width),
            "height": str(height),
            "font-family": "sans-serif",
            "role": "img",
        },
    )
    ElementTree.SubElement(root, "title").text = title
    ElementTree.SubElement(root, "rect", {"width": "100%", "height": "100%", "fill": _hex(PAPER)})
    for shape in shapes:
        if isinstance(shape, Words):
            x, y = shape.at
            at = {"x": f"{x:.1f}", "y": f"{y:.1f}", "font-size": f"{shape.size_px:g}"}
            how = {"text-anchor": shape.anchor, "fill": _hex(shape.colour)}
            ElementTree.SubElement(root, "text", at | how).text = shape.text
        else:
            points = " ".join(f"{x:.1f},{y:.1f}" for x, y in shape.points)
            how = {
                "points": points,
                "fill": _hex(shape.fill),
                "stroke": _hex(shape.stroke),
                "stroke-width": f"{shape.width_px:g}",
            }
            ElementTree.SubElement(root, "polygon" if shape.fill else "polyline", how)
    ElementTree.indent(root)
    return bytes(ElementTree.tostring(root, encoding="utf-8")) + b"\n"


def pixels(
    shapes: Sequence[Shape], size_wh: tuple[int, int]
) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Give shapes as an image (SCALE * height, SCALE * width, 3) uint8 BGR."""
    width, height = size_wh
    image = np.full((height * SCALE, width * SCALE, 3), PAPER, np.uint8)
    for shape in shapes:
        if isinstance(shape, Words):
            _put_words(image, shape)
            continue
        corners = np.rint(np.array(shape.points) * SCALE * 2**SUBPIXEL_BITS).astype(np.int32)
        if shape.fill is not None:
            cv2.fillPoly(image, [corners], shape.fill[::-1], cv2.LINE_AA, SUBPIXEL_BITS)
        if shape.stroke is not None:
            thickness = max(1, round(shape.width_px * SCALE))
            closed = shape.fill is not None
            cv2.polylines(image, [corners], closed, shape.stroke[::-1], thickness, cv2.LINE_AA, SUBPIXEL_BITS)
    return image


def _put_words(image: np.ndarray[tuple[int, ...], np.dtype[np.uint8]], words: Words) -> None:
    scale = words.size_px * SCALE / PX_OF_FONT
    (width, _), _ = cv2.getTextSize(words.text, FONT, scale, 1)
    shift = {"start": 0.0, "middle": width / 2, "end": float(width)}[words.anchor]
    at = round(words.at[0] * SCALE - shift), round(words.at[1] * SCALE)
    cv2.putText(image, words.text, at, FONT, scale, words.colour[::-1], 1, cv2.LINE_AA)


def _hex(colour: RGBColour | None) -> str:
    return "none" if colour is None else "#{:02x}{:02x}{:02x}".format(*colour)
