"""Turn a seed into synthetic scenes: an image, its exact label map, and its instances.

Textured balls, boxes, cones, rings and stars move in front of a cluttered ground, hide one another, and are
seen under uneven light by a noisy camera with motion blur. The truth comes from the geometry that drew the
picture: a pixel belongs to the foremost object that covers at least half of it at mid-exposure.

An object that shows less than MIN_VISIBLE of its silhouette (hidden by others or by the frame's border), or
fewer than MIN_VISIBLE_PX pixels, keeps its pixels in the label map but is marked `ignored`: finding it is
neither right nor wrong, which is COCO's `iscrowd`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgeseg.opencv import cv2
from edgeseg.scenes import backdrop, shapes
from edgeseg.scenes.composition import cast_shadow, compose, overlap

CLASS_NAMES = ("background", "ball", "box", "cone", "ring", "star")
PALETTE_RGB = ((0, 0, 0), (230, 70, 60), (70, 150, 240), (255, 165, 40), (60, 200, 110), (250, 220, 60))
DEFAULT_SIZE_HW = (240, 320)

MIN_VISIBLE = 0.3  # of the silhouette
MIN_VISIBLE_PX = 60

OBJECTS = (3, 8)  # fewest and most in DEFAULT_SIZE_HW; elsewhere by area, as far as they find room
RADIUS_PX = (12.0, 45.0)
CLOSEST = 0.52  # two bodies' centres keep this share of the sum of their radii
INSIDE = 0.35  # centres keep this share of their radius from the frame's border
PLACEMENTS = 40  # places tried, one a body, so that no scene has more
SPEED_PX = (0.8, 3.5)  # per frame
SPIN_RAD = 0.05  # at most, per frame
EXPOSURE = 1.0  # share of a frame's time the shutter is open
NOISE = (2.0, 7.0)  # standard deviation, grey levels
NOISE_SHIFT_PX = 16
SHADOW_OFFSET = 0.14  # of the radius, away from the light
HUES = 180  # of OpenCV's colour circle, two degrees each
HUE_SPREAD = 14.0  # standard deviation about the class's usual hue; those are some 36 apart
SECOND_HUE = (30.0, 150.0)  # from the first
PATTERN_HABIT = 0.5  # how often an object has its class's usual pattern
UPRIGHT_RAD = 0.5  # boxes and cones lean at most this far


class Habit(NamedTuple):
    """How most objects of a class look: a hint, not a proof; only the shape decides."""

    hue: float
    pattern: str


HABITS = {
    shapes.BALL: Habit(145.0, "stripes"),  # magenta
    shapes.BOX: Habit(108.0, "checks"),  # blue
    shapes.CONE: Habit(5.0, "stripes"),  # orange red
    shapes.RING: Habit(70.0, "dots"),  # green
    shapes.STAR: Habit(32.0, "plain"),  # yellow
}


@dataclass(frozen=True)
class Scene:
    """One frame and its truth.

    Attributes:
        image: (H, W, 3) uint8 BGR.
        labels: (H, W) uint8, class of each pixel, index into CLASS_NAMES.
        instances: (H, W) uint8, 1 + index of the object seen at each pixel, 0 = none.
        boxes: (K, 4) float32 xyxy pixels around the visible pixels; x2 and y2 are exclusive, so that
            x2 - x1 is the width in pixels.
        class_ids: (K,) int64, 1..5.
        ignored: (K,) bool, too little is visible to count.
        identities: (K,) int64, which object of a video each is, the same in all of its frames.
    """

    image: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    instances: NDArray[np.uint8]
    boxes: NDArray[np.float32]
    class_ids: NDArray[np.int64]
    ignored: NDArray[np.bool_]
    identities: NDArray[np.int64]

    @property
    def masks(self) -> NDArray[np.bool_]:
        """(K, H, W) visible pixels of every object."""
        ids = np.arange(1, len(self.class_ids) + 1, dtype=np.uint8)
        return np.equal(self.instances[None], ids[:, None, None])


def generate(seed: int, size_hw: tuple[int, int] = DEFAULT_SIZE_HW, *, crowding: float = 1.0) -> Scene:
    """Make one scene; the same arguments give the same bytes.

    Args:
        seed: of everything random.
        size_hw: height and width of the frame in pixels.
        crowding: times as many objects as usual, as far as PLACEMENTS tries find room.
    """
    return next(animate(seed, size_hw, crowding=crowding))


def animate(
    seed: int, size_hw: tuple[int, int] = DEFAULT_SIZE_HW, *, crowding: float = 1.0, resting: float = 0.0
) -> Iterator[Scene]:
    """Make the frames of an endless video; the first is `generate`'s where no object rests.

    Objects drift, turn, bounce off the frame's border, and off each other before one hides the other wholly.

    Args:
        seed, size_hw, crowding: as for `generate`.
        resting: share of the objects that never move, 0..1.
    """
    rng = np.random.default_rng(seed)
    height, width = size_hw
    ground = backdrop.paint(rng, size_hw)
    light_rad = float(rng.uniform(0, 2 * np.pi))
    lighting = backdrop.lighting(rng, size_hw, light_rad)
    sheet_hw = (height + NOISE_SHIFT_PX, width + NOISE_SHIFT_PX)
    noise = rng.standard_normal((*sheet_hw, 3), np.float32) * np.float32(rng.uniform(*NOISE))
    surroundings = _Surroundings(ground, lighting, noise, light_rad)
    cast = _Cast.scatter(rng, size_hw, crowding)
    cast.stop(resting)
    while True:
        yield _render(surroundings, cast, rng)
        cast.move()


@dataclass(frozen=True)
class _Surroundings:
    """What stays from frame to frame; the noise is a sheet larger than the frame, shifted each time."""

    ground: NDArray[np.float32]
    lighting: NDArray[np.float32]
    noise: NDArray[np.float32]
    light_rad: float


class _Cast:
    """The bodies of a scene with their poses, which change from frame to frame."""

    def __init__(
        self, size_hw: tuple[int, int], bodies: list[shapes.Body], poses: NDArray[np.float64]
    ) -> None:
        self.size_wh = np.array(size_hw[::-1], np.float64)
        self.bodies = bodies
        self.centres = poses[:, 0:2]
        self.velocities = poses[:, 2:4]
        self.angles = poses[:, 4]
        self.spins = poses[:, 5]
        self.radii = np.array([body.radius_px for body in bodies])
        self.rests = np.zeros(len(bodies), np.bool_)

    @classmethod
    def scatter(cls, rng: np.random.Generator, size_hw: tuple[int, int], crowding: float) -> _Cast:
        """Place bodies at random, the later in front of the earlier."""
        share = crowding * size_hw[0] * size_hw[1] / (DEFAULT_SIZE_HW[0] * DEFAULT_SIZE_HW[1])
        wanted = max(1, round(float(rng.uniform(OBJECTS[0] - 0.5, OBJECTS[1] + 0.5)) * share))
        bodies: list[shapes.Body] = []
        poses: list[list[float]] = []
        for _ in range(PLACEMENTS):
            if len(bodies) == wanted:
                break
            body = _random_body(rng, size_hw)
            margin = INSIDE * body.radius_px
            x, y = (float(rng.uniform(margin, side - margin)) for side in size_hw[::-1])
            if any(
                np.hypot(x - pose[0], y - pose[1]) < CLOSEST * (body.radius_px + other.radius_px)
                for pose, other in zip(poses, bodies, strict=True)
            ):
                continue
            lean = UPRIGHT_RAD if body.class_id in (shapes.BOX, shapes.CONE) else np.pi
            heading, speed = rng.uniform(0, 2 * np.pi), rng.uniform(*SPEED_PX)
            spin = rng.uniform(-SPIN_RAD, SPIN_RAD)
            bodies.append(body)
            velocity = [speed * np.cos(heading), speed * np.sin(heading)]
            poses.append([x, y, *velocity, rng.uniform(-lean, lean), spin])
        return cls(size_hw, bodies, np.array(poses))

    def stop(self, share: float) -> None:
        """Let the first bodies, up to a share of all, rest from now on."""
        self.rests[: round(share * len(self.bodies))] = True
        self.velocities[self.rests] = 0
        self.spins[self.rests] = 0

    def move(self) -> None:
        """Advance by one frame."""
        self.centres += self.velocities
        self.angles += self.spins
        for i, body in enumerate(self.bodies):
            if body.class_id in (shapes.BOX, shapes.CONE) and abs(self.angles[i]) > UPRIGHT_RAD:
                self.spins[i] = -np.copysign(self.spins[i], self.angles[i])
        margins = INSIDE * self.radii[:, None]
        low, high = self.centres < margins, self.centres > self.size_wh - margins
        self.velocities[low] = np.abs(self.velocities[low])
        self.velocities[high] = -np.abs(self.velocities[high])
        for i in range(len(self.bodies)):
            for j in range(i):
                self._part(i, j)

    def _part(self, i: int, j: int) -> None:
        """Let two bodies that are too close and still closing in bounce off each other.

        Their masses are equal; one that rests is too heavy to be moved.
        """
        gap = self.centres[i] - self.centres[j]
        distance = float(np.hypot(*gap))
        if distance == 0.0 or distance > CLOSEST * (self.radii[i] + self.radii[j]):
            return
        normal = gap / distance
        closing = float((self.velocities[i] - self.velocities[j]) @ normal)
        if closing < 0.0:
            if self.rests[i] or self.rests[j]:
                closing *= 2
            self.velocities[i] -= closing * normal * (not self.rests[i])
            self.velocities[j] += closing * normal * (not self.rests[j])


def _random_body(rng: np.random.Generator, size_hw: tuple[int, int]) -> shapes.Body:
    largest = min(RADIUS_PX[1], min(size_hw) / 2)
    class_id = int(rng.integers(1, len(CLASS_NAMES)))
    habit = HABITS[class_id]
    hue = (habit.hue + rng.normal(0, HUE_SPREAD)) % HUES
    second = (hue + rng.uniform(*SECOND_HUE)) % HUES
    hsv = np.array(
        [
            [
                [hue, rng.uniform(110, 255), rng.uniform(120, 255)],
                [second, rng.uniform(60, 255), rng.uniform(90, 255)],
            ]
        ]
    )
    colours = cv2.cvtColor(hsv.astype(np.uint8), cv2.COLOR_HSV2BGR)[0].astype(np.float32)
    usual = rng.random() < PATTERN_HABIT
    pattern = habit.pattern if usual else shapes.PATTERNS[int(rng.integers(len(shapes.PATTERNS)))]
    return shapes.Body(
        class_id=class_id,
        radius_px=float(rng.uniform(min(RADIUS_PX[0], largest), largest)),
        squash=float(rng.uniform(0.7, 1.0)),
        colours_bgr=colours,
        pattern=pattern,
        frequency=float(rng.uniform(0.8, 2.0)),
    )


def _render(surroundings: _Surroundings, cast: _Cast, rng: np.random.Generator) -> Scene:
    height, width = surroundings.ground.shape[:2]
    canvas = surroundings.ground.copy()
    instances = np.zeros((height, width), np.uint8)
    silhouettes = np.zeros(len(cast.bodies), np.int64)
    away_from_light = -np.array([np.cos(surroundings.light_rad), np.sin(surroundings.light_rad)])
    for index, body in enumerate(cast.bodies):
        x, y = cast.centres[index]
        patch = shapes.draw(body, x, y, cast.angles[index], surroundings.light_rad)
        own = shapes.covered(patch)
        silhouettes[index] = np.count_nonzero(own)
        dx, dy = np.rint(SHADOW_OFFSET * body.radius_px * away_from_light).astype(int)
        cast_shadow(canvas, patch, dx, dy)
        compose(canvas, patch, cast.velocities[index] * EXPOSURE)
        there, here = overlap(patch.left, patch.top, own.shape, instances.shape)
        instances[there][own[here]] = index + 1
    canvas *= surroundings.lighting
    top, left = rng.integers(0, NOISE_SHIFT_PX + 1, 2)
    canvas += surroundings.noise[top : top + height, left : left + width]
    image = np.clip(canvas, 0, 255).astype(np.uint8)
    return scene_from_instances(
        image, instances, np.array([body.class_id for body in cast.bodies], np.int64), silhouettes
    )


def scene_from_instances(
    image: NDArray[np.uint8],
    instances: NDArray[np.uint8],
    class_ids: NDArray[np.int64],
    silhouettes: NDArray[np.int64],
) -> Scene:
    """Read labels, boxes and visibility off the instance map; wholly hidden objects vanish."""
    areas = np.bincount(instances.ravel(), minlength=len(class_ids) + 1)[1:]
    seen = areas > 0
    renumber = np.concatenate([[0], np.where(seen, np.cumsum(seen), 0)]).astype(np.uint8)
    instances = renumber[instances]
    class_ids, areas, silhouettes = class_ids[seen], areas[seen], silhouettes[seen]
    labels = np.concatenate([[0], class_ids]).astype(np.uint8)[instances]
    boxes = np.zeros((len(class_ids), 4), np.float32)
    for index in range(len(class_ids)):
        mask = instances == index + 1
        columns, rows = np.flatnonzero(mask.any(axis=0)), np.flatnonzero(mask.any(axis=1))
        boxes[index] = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
    ignored = (areas < MIN_VISIBLE * silhouettes) | (areas < MIN_VISIBLE_PX)
    return Scene(image, labels, instances, boxes, class_ids, ignored, np.flatnonzero(seen))
