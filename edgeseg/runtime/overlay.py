"""Turn a frame and its result into a picture for people: regions, outlines, boxes, names and scores."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeseg.errors import ShapeError
from edgeseg.frames.results import NO_TRACK, InstanceResult, MaskCrop, SemanticResult
from edgeseg.opencv import cv2
from edgeseg.palette import UNPAINTED_RGB
from edgeseg.spec import RGB_CHANNELS, ModelSpec

ALPHA = 0.5  # share of the class colour inside a region
FONT_SCALE_PER_PX = 1 / 1100  # of the frame's shorter side
FONT_SCALE_RANGE = (0.4, 2.0)
LINE_PX_PER_PX = 1 / 480  # outline width over the frame's shorter side
PADDING_PX = 3  # around text
TAG_TO_BOX = 2.0  # a tag wider than this many boxes is left out: it would hide its neighbours
LUMA_BGR = (0.114, 0.587, 0.299)  # ITU-R BT.601
BRIGHT = 140  # luma from which text is black
WHITE, BLACK = (255, 255, 255), (0, 0, 0)
SWATCH_PX = 10
LEVELS = 256

Colour = tuple[int, int, int]  # BGR


def draw(
    image: NDArray[np.uint8], result: SemanticResult | InstanceResult, spec: ModelSpec
) -> NDArray[np.uint8]:
    """Draw a result over its frame.

    Semantic: each class in its palette colour with an outline, and a legend of the classes that occur; of
    classes that overlap the likeliest.
    Instance: masks in their class's colour with outlines, boxes, and tags with name, track and score. Classes
    whose palette colour is black, the background's by default, stay as they are, and so do labels without a
    class.

    Args:
        image: (H, W, 3) uint8 BGR; it is not changed.

    Returns:
        (H, W, 3) uint8 BGR, a new array.

    Raises:
        ShapeError: if the result belongs to a frame of another size, or the image is no such picture.
    """
    if image.shape[2:] != (RGB_CHANNELS,) or image.dtype != np.uint8:
        raise ShapeError(
            f"overlays are drawn over (H, W, 3) uint8 BGR, got {image.shape} {image.dtype}; write label maps "
            "(a folder) or .jsonl, or make such a picture of the frame's channels first"
        )
    if result.frame_hw != image.shape[:2]:
        raise ShapeError(f"the result is for {result.frame_hw} (H, W), the frame is {image.shape[:2]}")
    out: NDArray[np.uint8] = image.copy()
    if isinstance(result, SemanticResult):
        _draw_semantic(out, image, result.labels, spec)
    else:
        _draw_instances(out, result, spec)
    return out


def _draw_semantic(
    out: NDArray[np.uint8], image: NDArray[np.uint8], labels: NDArray[np.uint8], spec: ModelSpec
) -> None:
    colours, painted = _label_tables(spec.palette_rgb)
    mask = cv2.LUT(labels, painted)  # (H, W) 255 where there is something to paint
    flat = cv2.LUT(cv2.merge((labels, labels, labels)), colours)  # (H, W, 3)
    cv2.copyTo(cv2.addWeighted(image, 1 - ALPHA, flat, ALPHA, 0.0), mask, out)
    edge = cv2.morphologyEx(labels, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8))
    cv2.copyTo(flat, cv2.min(edge, mask), out)
    areas = cv2.calcHist([labels], [0], None, [LEVELS], [0, LEVELS]).ravel()
    present = [i for i in range(len(spec.class_names)) if areas[i] and spec.palette_rgb[i] != UNPAINTED_RGB]
    _draw_legend(out, [(spec.class_names[i], _bgr(spec.palette_rgb[i])) for i in present])


def _draw_instances(out: NDArray[np.uint8], result: InstanceResult, spec: ModelSpec) -> None:
    line_px = max(1, round(min(out.shape[:2]) * LINE_PX_PER_PX))
    colours = [_bgr(spec.palette_rgb[class_id]) for class_id in result.class_ids]
    for crop, colour in zip(reversed(result.crops()), reversed(colours), strict=True):  # the best on top
        _paint_mask(out, crop, colour, line_px)
    for box, colour in zip(result.boxes, colours, strict=True):
        x1, y1, x2, y2 = (round(float(side)) for side in box)
        cv2.rectangle(out, (x1, y1), (x2 - 1, y2 - 1), colour, line_px)
    for index in range(len(result) - 1, -1, -1):
        _draw_tag(out, tag(result, index, spec), result.boxes[index], colours[index])


def tag(result: InstanceResult, index: int, spec: ModelSpec) -> str:
    """Say in a few letters what one object is: `car 0.92`, or `car 7 0.92` on track 7."""
    words = [spec.class_names[result.class_ids[index]], f"{float(result.scores[index]):.2f}"]
    if result.track_ids is not None and result.track_ids[index] != NO_TRACK:
        words.insert(1, str(result.track_ids[index]))
    return " ".join(words)


def _paint_mask(out: NDArray[np.uint8], crop: MaskCrop, colour: Colour, line_px: int) -> None:
    if not crop.mask.size:
        return
    mask = np.ascontiguousarray(crop.mask).view(np.uint8)
    region = out[crop.window]
    cv2.copyTo(cv2.LUT(region, _blend_table(colour)), mask, region)
    contours, _ = cv2.findContours(mask, cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
    cv2.drawContours(out, contours, -1, colour, line_px, cv2.LINE_AA, offset=(crop.left, crop.top))


def _draw_tag(out: NDArray[np.uint8], text: str, box: NDArray[np.float32], colour: Colour) -> None:
    """Write text on a patch of colour above a box, or inside it where there is no room above."""
    scale = _font_scale(out)
    (width, height), baseline = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, 1)
    if width > TAG_TO_BOX * float(box[2] - box[0]):
        return
    tag_height = height + baseline + PADDING_PX
    left = max(0, min(round(float(box[0])), out.shape[1] - width - 2 * PADDING_PX))
    top = round(float(box[1])) - tag_height
    if top < 0:
        top = max(0, round(float(box[1])))
    cv2.rectangle(out, (left, top), (left + width + 2 * PADDING_PX, top + tag_height), colour, cv2.FILLED)
    _write(out, text, (left + PADDING_PX, top + tag_height - baseline), scale, _text_colour(colour))


def _draw_legend(out: NDArray[np.uint8], entries: list[tuple[str, Colour]]) -> None:
    """List names beside their colours at the top left, on a darkened ground, as far as the frame has room."""
    scale = _font_scale(out)
    sizes = [cv2.getTextSize(name, cv2.FONT_HERSHEY_SIMPLEX, scale, 1)[0] for name, _ in entries]
    if not entries:
        return
    row_height = max(height for _, height in sizes) + 3 * PADDING_PX
    rows = min(len(entries), out.shape[0] // (2 * row_height))
    width = max(width for width, _ in sizes) + SWATCH_PX + 3 * PADDING_PX
    if not rows or width > out.shape[1] // 2:
        return
    panel = out[: rows * row_height + PADDING_PX, :width]
    panel //= 2
    for row, (name, colour) in enumerate(entries[:rows]):
        foot = (row + 1) * row_height - PADDING_PX
        corner = (PADDING_PX, foot - SWATCH_PX)
        cv2.rectangle(out, corner, (PADDING_PX + SWATCH_PX, foot), colour, cv2.FILLED)
        _write(out, name, (2 * PADDING_PX + SWATCH_PX, foot), scale, WHITE)


def _write(
    out: NDArray[np.uint8], text: str, foot_left: tuple[int, int], scale: float, colour: Colour
) -> None:
    cv2.putText(out, text, foot_left, cv2.FONT_HERSHEY_SIMPLEX, scale, colour, 1, cv2.LINE_AA)


def _font_scale(image: NDArray[np.uint8]) -> float:
    low, high = FONT_SCALE_RANGE
    height, width = image.shape[:2]
    scale: float = min(max(min(height, width) * FONT_SCALE_PER_PX, low), high)
    return scale


def _text_colour(background: Colour) -> Colour:
    luma = sum(weight * part for weight, part in zip(LUMA_BGR, background, strict=True))
    return BLACK if luma >= BRIGHT else WHITE


def _bgr(rgb: tuple[int, int, int]) -> Colour:
    return rgb[2], rgb[1], rgb[0]


@lru_cache(maxsize=8)
def _label_tables(palette_rgb: tuple[tuple[int, int, int], ...]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Look-up tables from label to colour (256, 1, 3), and to 255 where the label is painted (256,)."""
    colours = np.zeros((LEVELS, 1, 3), np.uint8)
    colours[: len(palette_rgb), 0] = np.array(palette_rgb, np.uint8)[:, ::-1]
    painted = np.zeros(LEVELS, np.uint8)
    painted[: len(palette_rgb)] = [255 * (colour != UNPAINTED_RGB) for colour in palette_rgb]
    return colours, painted


@lru_cache(maxsize=LEVELS)
def _blend_table(colour: Colour) -> NDArray[Any]:
    """Look-up table (256, 1, 3) that mixes ALPHA of a colour into every pixel value."""
    values = np.arange(LEVELS)[:, None, None]
    return np.rint((1 - ALPHA) * values + ALPHA * np.array(colour)).astype(np.uint8)
