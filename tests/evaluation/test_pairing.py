"""Images and labels are matched by their names, and what has no partner is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgeseg.errors import UsageError
from edgeseg.evaluation.pairing import pair


def folders(root: Path, images: list[str], labels: list[str]) -> tuple[Path, Path]:
    for folder, names in (("images", images), ("labels", labels)):
        for name in names:
            path = root / folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    return root / "images", root / "labels"


def names(paths: object) -> list[str]:
    return [path.name for path in paths]  # type: ignore[attr-defined]


def test_files_are_matched_by_stem_in_natural_order(tmp_path: Path) -> None:
    found = pair(
        *folders(tmp_path, ["f10.jpg", "f2.JPG", "f3.jpg", "x.txt"], ["f2.png", "sub/f10.tif", "f9.png"]),
        {".jpg"},
    )
    assert [(image.name, label.name) for image, label in found.pairs] == [
        ("f2.JPG", "f2.png"), ("f10.jpg", "f10.tif"),
    ]  # fmt: skip
    assert found.notes == [
        "1 images have no labels and are left out: f3.jpg",
        "1 labels have no image: f9.png",
    ]


def test_ends_of_names_are_not_matched(tmp_path: Path) -> None:
    """As Cityscapes has them."""
    images = ["bonn/a_leftImg8bit.png", "bonn/b_leftImg8bit.png"]
    labels = ["bonn/a_labelIds.png", "bonn/a_color.png", "bonn/b_labelIds.png"]
    found = pair(
        *folders(tmp_path, images, labels), {".png"}, image_suffix="_leftImg8bit", label_suffix="_labelIds"
    )
    assert names(label for _, label in found.pairs) == ["a_labelIds.png", "b_labelIds.png"]
    assert found.notes == []


def test_two_files_of_one_stem_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="have the same stem"):
        pair(*folders(tmp_path, ["a.jpg", "b/a.png"], ["a.png"]), {".jpg", ".png"})


def test_folders_without_a_match_or_that_are_one_are_refused(tmp_path: Path) -> None:
    images, labels = folders(tmp_path, ["a.jpg", "b.jpg"], ["a_mask.png"])
    with pytest.raises(UsageError, match=r"none of the 2 images .* among the 1 in .*--label-suffix"):
        pair(images, labels, {".jpg"})
    with pytest.raises(UsageError, match="cannot hold both"):
        pair(images, images, {".jpg"})
    with pytest.raises(UsageError, match="is not a folder"):
        pair(images / "a.jpg", labels, {".jpg"})
