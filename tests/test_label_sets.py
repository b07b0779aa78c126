"""Data sets by name have the classes and colours that their authors gave them."""

from __future__ import annotations

import pytest

from edgeseg.label_sets import ALL, of_names, of_size
from edgeseg.spec import MAX_CLASSES

SIZES = {
    "voc": 21,
    "coco": 91,
    "coco-80": 80,
    "coco-81": 81,
    "coco-stuff": 171,
    "cityscapes": 19,
    "ade20k": 150,
    "pascal-context-59": 59,
    "pascal-context-60": 60,
    "camvid": 11,
    "camvid-12": 12,
}


def test_every_set_has_its_classes() -> None:
    assert {name: len(one.class_names) for name, one in ALL.items()} == SIZES
    assert of_size(60) == ["pascal-context-60"]


@pytest.mark.parametrize("name", SIZES)
def test_each_class_has_a_name_of_its_own_and_a_colour(name: str) -> None:
    one = ALL[name]
    named = [name for name in one.class_names if name != "N/A"]
    assert len(set(named)) == len(named)
    assert all(named)
    assert len(one.palette_rgb) == len(one.class_names) <= MAX_CLASSES


@pytest.mark.parametrize(
    ("name", "class_id", "expected", "rgb"),
    [
        ("voc", 15, "person", (192, 128, 128)),
        ("coco", 90, "toothbrush", (191, 162, 208)),
        ("coco-80", 0, "person", (220, 20, 60)),
        ("coco-81", 80, "toothbrush", (191, 162, 208)),
        ("coco-stuff", 170, "wood", (64, 64, 0)),
        ("cityscapes", 13, "car", (0, 0, 142)),
        ("ade20k", 12, "person", (150, 5, 61)),
        ("ade20k", 149, "flag", (92, 0, 255)),
        ("pascal-context-59", 58, "wood", (31, 0, 255)),
        ("pascal-context-60", 59, "wood", (31, 0, 255)),
        ("camvid", 8, "car", (64, 0, 128)),
    ],
)
def test_classes_are_where_their_maps_have_them(
    name: str, class_id: int, expected: str, rgb: tuple[int, int, int]
) -> None:
    one = ALL[name]
    assert (one.class_names[class_id], one.palette_rgb[class_id]) == (expected, rgb)


def test_the_colours_of_voc_are_its_development_kits() -> None:
    """Bits of the class id, three at a time from the lowest, are bits of red, green and blue from the top."""
    for class_id, colour in enumerate(ALL["voc"].palette_rgb):
        channels = [0, 0, 0]
        for step in range(3):
            for channel in range(3):
                channels[channel] |= (class_id >> (3 * step + channel) & 1) << (7 - step)
        assert tuple(channels) == colour


def test_unused_category_ids_of_coco_have_no_name() -> None:
    unused = [i for i, name in enumerate(ALL["coco"].class_names) if name == "N/A"]
    assert unused == [12, 26, 29, 30, 45, 66, 68, 69, 71, 83]


def test_a_set_is_known_by_its_names() -> None:
    for one in ALL.values():
        assert of_names(list(one.class_names)) is one
    assert of_names(("background", "nucleus")) is None


def test_the_label_that_is_not_counted_is_255_but_for_camvid() -> None:
    ignored = {name: one.ignore_label for name, one in ALL.items() if one.ignore_label != 255}
    assert ignored == {"camvid": 11, "camvid-12": 11}
