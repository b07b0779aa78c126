"""Turn a body (class, radius, pose, paint) into a patch of colour with its coverage of every pixel.

Body coordinates are unit ones: the body's circumscribed circle has radius 1, x points right, y down.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from edgeseg.opencv import cv2

BALL, BOX, CONE, RING, STAR = 1, 2, 3, 4, 5

SUPERSAMPLING = 4  # sub-pixels per pixel and axis in the coverage
FIXED_POINT_BITS = 4  # of cv2's sub-pixel polygon coordinates
COVERED = 0.5  # a pixel belongs to the body that covers at least this share of it
PATCH_MARGIN_PX = 4  # room for the motion blur

CIRCLE_POINTS = 48
STAR_ARMS = 5
STAR_INNER_RADIUS = 0.45
CONE_HALF_WIDTH = 0.62
CONE_BASE_Y = 0.72  # centre of the base ellipse, whose lower half bulges by CONE_BULGE
CONE_BULGE = 0.2
RING_INNER_RADIUS = 0.52

AMBIENT = 0.5  # light that reaches the sides turned away from the lamp
LIGHT_HEIGHT = 0.75  # z of the unit light direction (out of the image)
PATTERN_CONTRAST = 3.0  # how sharp the borders in a pattern are
BOX_FACE_SHADES = (0.95, 1.2, 0.62)  # front, top, side


@dataclass(frozen=True)
class Body:
    """What stays the same about an object while it moves.

    Attributes:
        class_id: BALL to STAR.
        radius_px: radius of the circumscribed circle.
        squash: shape parameter in 0..1: depth of a box, tilt of a ring.
        colours_bgr: (2, 3) float32, 0..255: ground and pattern.
        pattern: `plain`, `stripes`, `dots` or `checks`.
        frequency: periods of the pattern per radius.
    """

    class_id: int
    radius_px: float
    squash: float
    colours_bgr: NDArray[np.float32]
    pattern: str
    frequency: float


@dataclass(frozen=True)
class Patch:
    """A drawn body.

    Attributes:
        left, top: where the patch lies in the frame, pixels; may be negative.
        colour: (h, w, 3) float32 BGR, 0..255, before the lighting of the scene.
        alpha: (h, w) float32 coverage, 0..1.
    """

    left: int
    top: int
    colour: NDArray[np.float32]
    alpha: NDArray[np.float32]


PATTERNS = ("plain", "stripes", "dots", "checks")


def draw(body: Body, x: float, y: float, angle_rad: float, light_rad: float) -> Patch:
    """Draw a body whose centre is at pixel position (x, y), turned clockwise by `angle_rad`.

    Args:
        body: what to draw.
        x, y: centre in pixels; (0, 0) is the outer corner of the first pixel.
        angle_rad: clockwise rotation.
        light_rad: direction the light comes from, in the image plane.
    """
    reach = int(np.ceil(body.radius_px)) + PATCH_MARGIN_PX
    left, top = int(np.floor(x)) - reach, int(np.floor(y)) - reach
    size = 2 * reach + 1
    centre = np.array([x - left, y - top])
    cos, sin = np.cos(angle_rad), np.sin(angle_rad)
    to_frame = body.radius_px * np.array([[cos, -sin], [sin, cos]])
    contours = [contour @ to_frame.T + centre for contour in _outline(body)]
    alpha = _coverage(contours, size)
    u, v = _body_coordinates(size, centre, cos / body.radius_px, sin / body.radius_px)
    light = (np.cos(light_rad - angle_rad), np.sin(light_rad - angle_rad))
    if body.class_id == BOX:
        faces = [face @ to_frame.T + centre for face in _box_faces(body.squash)]
        shade = _flat_shades(faces, size)
    else:
        shade = _shade(body, u, v, light)
    paint = _pattern(body, u, v)[:, :, None]
    ground, figure = body.colours_bgr
    colour = (ground + paint * (figure - ground)) * shade[:, :, None]
    return Patch(left, top, colour, alpha)


def covered(patch: Patch) -> NDArray[np.bool_]:
    """(h, w): the pixels that count as the body's own."""
    return np.greater_equal(patch.alpha, COVERED)


def _outline(body: Body) -> list[NDArray[np.float64]]:
    """Closed contours, (points, 2) each, in unit coordinates; a second contour is a hole."""
    circle = _circle()
    if body.class_id == BALL:
        return [circle]
    if body.class_id == BOX:
        front, top, side = _box_faces(body.squash)
        return [np.concatenate([front[3:4], front[0:1], top[1:3], side[2:4]])]
    if body.class_id == CONE:
        base = circle[: CIRCLE_POINTS // 2 + 1] * [CONE_HALF_WIDTH, CONE_BULGE] + [0.0, CONE_BASE_Y]
        return [np.concatenate([[[0.0, -1.0]], base])]
    if body.class_id == RING:
        tilt = [1.0, body.squash]
        return [circle * tilt, circle * RING_INNER_RADIUS * tilt]
    turns = np.arange(2 * STAR_ARMS) * np.pi / STAR_ARMS
    radii = np.where(np.arange(2 * STAR_ARMS) % 2 == 0, 1.0, STAR_INNER_RADIUS)
    return [np.stack([radii * np.sin(turns), -radii * np.cos(turns)], axis=1)]


@cache
def _circle() -> NDArray[np.float64]:
    turns = np.arange(CIRCLE_POINTS) * 2 * np.pi / CIRCLE_POINTS
    return np.stack([np.cos(turns), np.sin(turns)], axis=1)  # begins at +x, goes through +y


def _box_faces(squash: float) -> tuple[NDArray[np.float64], ...]:
    """Front, top and right side of a parcel, four corners each, in unit coordinates."""
    depth = np.array([0.30 + 0.2 * squash, -0.25 - 0.1 * squash])
    # the far corner of the silhouette lies on the unit circle: |half + depth / 2| = 1 along the diagonal
    half = np.array([0.72, 0.70]) - np.abs(depth) / 2
    centre = -depth / 2
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * half + centre  # clockwise from top left
    back = corners + depth
    front = corners
    top = np.stack([corners[0], back[0], back[1], corners[1]])
    side = np.stack([corners[1], back[1], back[2], corners[2]])
    return front, top, side


def _coverage(contours: list[NDArray[np.float64]], size: int) -> NDArray[np.float32]:
    """(size, size) share of every pixel inside the contours (even-odd rule)."""
    fine = np.zeros((size * SUPERSAMPLING, size * SUPERSAMPLING), np.uint8)
    cv2.fillPoly(
        fine, [_fixed(contour, SUPERSAMPLING) for contour in contours], 255, cv2.LINE_8, FIXED_POINT_BITS
    )
    mean = cv2.resize(fine, (size, size), interpolation=cv2.INTER_AREA)
    return mean.astype(np.float32) / 255.0


def _fixed(points: NDArray[np.float64], scale: int) -> NDArray[np.int32]:
    # cv2 counts from the centre of the first pixel, we from its corner
    return np.rint((points * scale - 0.5) * (1 << FIXED_POINT_BITS)).astype(np.int32)


def _body_coordinates(
    size: int, centre: NDArray[np.float64], cos: float, sin: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Unit body coordinates of every pixel of a patch, two (size, size) arrays."""
    steps = np.arange(size, dtype=np.float32) + np.float32(0.5)
    dx, dy = steps - np.float32(centre[0]), steps - np.float32(centre[1])
    u = np.float32(cos) * dx[None, :] + np.float32(sin) * dy[:, None]
    v = np.float32(cos) * dy[:, None] - np.float32(sin) * dx[None, :]
    return u, v


def _flat_shades(faces: list[NDArray[np.float64]], size: int) -> NDArray[np.float32]:
    shade = np.full((size, size), BOX_FACE_SHADES[0], np.float32)
    for face, value in zip(faces, BOX_FACE_SHADES, strict=True):
        cv2.fillPoly(shade, [_fixed(face, 1)], value, cv2.LINE_8, FIXED_POINT_BITS)
    return shade


def _shade(
    body: Body, u: NDArray[np.float32], v: NDArray[np.float32], light: tuple[float, float]
) -> NDArray[np.float32]:
    """Lambert's cosine law on the surface's normals, (h, w), about AMBIENT..1.5."""
    if body.class_id == STAR:  # ridges along the arms: facets alternate between two slopes
        turn = np.arctan2(u, -v) * np.float32(STAR_ARMS / np.pi)
        facet = np.floor(turn)
        across = (facet + np.float32(0.5)) * np.float32(np.pi / STAR_ARMS)
        side = np.where(np.mod(facet, 2) == 0, 1, -1).astype(np.float32) * np.float32(0.6)
        nx, ny = side * np.cos(across), side * np.sin(across)
    elif body.class_id == CONE:
        width = np.maximum((v + 1) * np.float32(CONE_HALF_WIDTH / (1 + CONE_BASE_Y)), np.float32(0.05))
        nx = np.clip(u / width, -1, 1) * np.float32(0.9)
        ny = np.full_like(nx, -0.2)
    elif body.class_id == RING:
        w = v / np.float32(body.squash)
        rho = np.maximum(np.hypot(u, w), np.float32(1e-3))
        across = np.clip(
            (rho - np.float32((1 + RING_INNER_RADIUS) / 2)) * np.float32(2 / (1 - RING_INNER_RADIUS)), -1, 1
        )
        nx, ny = across * u / rho, across * w / rho
    else:
        nx, ny = u, v
    nz = np.sqrt(np.maximum(1 - nx * nx - ny * ny, 0))
    lambert = np.float32(light[0]) * nx + np.float32(light[1]) * ny
    cosine = np.maximum(lambert * np.float32((1 - LIGHT_HEIGHT**2) ** 0.5) + nz * np.float32(LIGHT_HEIGHT), 0)
    highlight = cosine**12 * np.float32(0.35)
    shade: NDArray[np.float32] = np.float32(AMBIENT) + np.float32(0.6) * cosine + highlight
    return shade


def _pattern(body: Body, u: NDArray[np.float32], v: NDArray[np.float32]) -> NDArray[np.float32]:
    """(h, w) in 0..1: how much of the second colour shows."""
    if body.pattern == "plain":
        return np.zeros_like(u)
    omega = np.float32(2 * np.pi * body.frequency)
    if body.pattern == "stripes":
        wave = np.sin(omega * v)
    elif body.pattern == "dots":
        wave = np.sin(omega * u) * np.sin(omega * v) * 2 - np.float32(0.6)
    else:
        wave = np.sin(omega * u) * np.sin(omega * v) * 3
    paint: NDArray[np.float32] = np.clip(wave * np.float32(PATTERN_CONTRAST) + np.float32(0.5), 0, 1)
    return paint
