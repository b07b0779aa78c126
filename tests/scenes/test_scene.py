"""Scenes repeat by seed, and their labels, instances and boxes tell one story."""

from __future__ import annotations

import itertools
import subprocess
import sys

import numpy as np
import pytest

from edgeseg.scenes import shapes
from edgeseg.scenes.scene import (
    CLASS_NAMES,
    MIN_VISIBLE,
    MIN_VISIBLE_PX,
    PALETTE_RGB,
    Scene,
    animate,
    generate,
    scene_from_instances,
)

SEEDS = range(8)


def test_the_same_seed_gives_the_same_bytes() -> None:
    first, second = generate(7), generate(7)
    assert np.array_equal(first.image, second.image)
    assert np.array_equal(first.instances, second.instances)


def test_another_seed_gives_another_scene() -> None:
    assert not np.array_equal(generate(7).image, generate(8).image)


def test_default_frame_is_240_by_320_bgr_bytes() -> None:
    scene = generate(0)
    assert (scene.image.shape, scene.image.dtype) == ((240, 320, 3), np.uint8)
    assert (scene.labels.shape, scene.labels.dtype) == ((240, 320), np.uint8)


def test_every_class_has_a_name_and_a_colour() -> None:
    assert CLASS_NAMES == ("background", "ball", "box", "cone", "ring", "star")
    assert len(set(PALETTE_RGB)) == len(CLASS_NAMES)


@pytest.mark.parametrize("seed", SEEDS)
def test_every_pixel_of_an_instance_carries_its_class(seed: int) -> None:
    scene = generate(seed)
    for mask, class_id in zip(scene.masks, scene.class_ids, strict=True):
        assert (scene.labels[mask] == class_id).all()
    assert np.array_equal(scene.labels > 0, scene.masks.any(axis=0))


@pytest.mark.parametrize("seed", SEEDS)
def test_boxes_are_tight_around_the_visible_pixels(seed: int) -> None:
    scene = generate(seed)
    for mask, (x1, y1, x2, y2) in zip(scene.masks, scene.boxes.astype(int), strict=True):
        inside = mask[y1:y2, x1:x2]
        assert inside.sum() == mask.sum()
        for border in (inside[0], inside[-1], inside[:, 0], inside[:, -1]):
            assert border.any()


@pytest.mark.parametrize("seed", SEEDS)
def test_a_scene_has_few_objects_of_which_nearly_all_count(seed: int) -> None:
    scene = generate(seed)
    assert 1 <= len(scene.class_ids) <= 8
    assert scene.ignored.sum() <= 1


def test_all_five_classes_occur() -> None:
    found = {int(class_id) for seed in range(30) for class_id in generate(seed).class_ids}
    assert found == {1, 2, 3, 4, 5}


@pytest.mark.parametrize("size_hw", [(64, 64), (97, 131), (480, 640)])
def test_other_sizes_work(size_hw: tuple[int, int]) -> None:
    scene = generate(1, size_hw)
    assert scene.image.shape == (*size_hw, 3)
    assert len(scene.class_ids) >= 1


def test_a_crowded_scene_holds_more_objects() -> None:
    usual = sum(len(generate(seed, (160, 224)).class_ids) for seed in SEEDS)
    crowded = sum(len(generate(seed, (160, 224), crowding=2.5).class_ids) for seed in SEEDS)
    assert crowded > 1.5 * usual


def test_an_animation_begins_with_the_still_scene_and_moves() -> None:
    frames = list(itertools.islice(animate(5), 4))
    assert np.array_equal(frames[0].image, generate(5).image)
    for before, after in itertools.pairwise(frames):
        assert not np.array_equal(before.boxes, after.boxes)


def test_objects_stay_in_the_frame_and_mostly_visible() -> None:
    frames = list(itertools.islice(animate(3), 200))
    assert {len(frame.class_ids) for frame in frames} == {len(frames[0].class_ids)}
    ignored = np.concatenate([frame.ignored for frame in frames])
    assert ignored.mean() < 0.1


def test_instances_by_hand() -> None:
    # Object 1 (a ball) shows 64 of its 100 pixels: it counts. Object 2 (a star) is hidden wholly, so it
    # vanishes and object 3 (a ring) moves up; 64 of the ring's 300 pixels are too few: it is ignored.
    instances = np.zeros((16, 32), np.uint8)
    instances[2:10, 4:12] = 1
    instances[2:10, 12:20] = 3
    scene = _scene(instances, class_ids=[1, 5, 4], silhouettes=[100, 50, 300])
    assert scene.class_ids.tolist() == [1, 4]
    assert scene.boxes.tolist() == [[4, 2, 12, 10], [12, 2, 20, 10]]
    assert scene.ignored.tolist() == [False, True]
    assert scene.labels[2, 3:21].tolist() == [0, *[1] * 8, *[4] * 8, 0]
    assert scene.instances.max() == 2


def test_a_remnant_of_few_pixels_is_ignored() -> None:
    instances = np.zeros((16, 32), np.uint8)
    instances[0, : MIN_VISIBLE_PX // 2] = 1
    assert MIN_VISIBLE < 1
    assert _scene(instances, class_ids=[2], silhouettes=[MIN_VISIBLE_PX // 2]).ignored.tolist() == [True]


def _scene(instances: np.ndarray, class_ids: list[int], silhouettes: list[int]) -> Scene:
    image = np.zeros((*instances.shape, 3), np.uint8)
    return scene_from_instances(image, instances, np.array(class_ids), np.array(silhouettes))


def test_a_ball_covers_the_area_of_its_circle() -> None:
    body = _body(shapes.BALL, radius_px=20.0)
    patch = shapes.draw(body, 50.3, 40.7, 0.0, 0.0)
    # a 48-gon's area is 0.9971 of its circle's; sub-pixel borders add up to half a sub-pixel on each side
    assert patch.alpha.sum() == pytest.approx(np.pi * 20.0**2, rel=0.02)


def test_a_patch_lies_where_it_was_asked_for() -> None:
    patch = shapes.draw(_body(shapes.BALL, radius_px=15.0), 50.3, 40.7, 0.0, 0.0)
    rows, columns = np.indices(patch.alpha.shape) + 0.5  # pixel centres
    weight = patch.alpha / patch.alpha.sum()
    # sub-pixels are a quarter of a pixel wide: the centre may be half of one off
    assert (columns * weight).sum() + patch.left == pytest.approx(50.3, abs=0.13)
    assert (rows * weight).sum() + patch.top == pytest.approx(40.7, abs=0.13)


def test_one_sees_through_a_ring() -> None:
    patch = shapes.draw(_body(shapes.RING, radius_px=20.0), 30.0, 30.0, 0.0, 0.0)
    centre_y, centre_x = 30 - patch.top, 30 - patch.left
    assert not shapes.covered(patch)[centre_y, centre_x]
    assert shapes.covered(patch)[centre_y, centre_x + 15]


@pytest.mark.parametrize("class_id", range(1, len(CLASS_NAMES)))
@pytest.mark.parametrize("angle_rad", [0.0, 1.0, -2.5])
def test_every_body_stays_within_its_radius(class_id: int, angle_rad: float) -> None:
    patch = shapes.draw(_body(class_id, radius_px=25.0), 40.0, 40.0, angle_rad, 0.5)
    rows, columns = np.nonzero(shapes.covered(patch))
    distances = np.hypot(columns + 0.5 + patch.left - 40.0, rows + 0.5 + patch.top - 40.0)
    assert 20.0 < distances.max() < 26.0


def _body(class_id: int, radius_px: float) -> shapes.Body:
    colours = np.array([[200, 80, 40], [20, 220, 220]], np.float32)
    return shapes.Body(class_id, radius_px, 1.0, colours, "checks", 1.5)


def test_scenes_need_no_torch() -> None:
    code = (
        "import sys; sys.modules['torch'] = None; sys.modules['torchvision'] = None\n"
        "import edgeseg.scenes.scene, edgeseg.metrics.average_precision"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_objects_are_the_same_through_a_video() -> None:
    frames = list(itertools.islice(animate(3), 60))
    classes: dict[int, int] = {}
    for scene in frames:
        assert len(scene.identities) == len(scene.class_ids)
        for identity, class_id in zip(scene.identities.tolist(), scene.class_ids.tolist(), strict=True):
            assert classes.setdefault(identity, class_id) == class_id
    last, now = frames[-2:]
    for index, identity in enumerate(now.identities):
        before = last.masks[last.identities == identity]
        assert before[0][now.masks[index]].mean() > 0.5  # they move a few pixels a frame


@pytest.mark.parametrize("seed", SEEDS)
def test_objects_that_rest_stay_where_they_are(seed: int) -> None:
    scenes = list(itertools.islice(animate(seed, resting=1.0), 3))
    assert np.array_equal(scenes[0].instances, scenes[2].instances)
    assert not np.array_equal(scenes[0].image, scenes[2].image)  # the camera's noise


def test_what_moves_does_not_push_what_rests() -> None:
    """In 150 frames of a crowded scene bodies meet; what is seen of one that rests stays in its place."""
    first, *_, last = itertools.islice(animate(5, crowding=3.0, resting=0.3), 150)
    rests = [i for i in first.identities[:3] if i in last.identities]
    assert rests
    for identity in rests:
        before, now = first.masks[first.identities == identity], last.masks[last.identities == identity]
        assert (before & now).any()
