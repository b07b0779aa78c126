"""Images come with their labels, in the network's classes; nothing is left out without a word."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeseg.errors import SourceError, UsageError
from edgeseg.evaluation.labelled_images import LabelledImages
from edgeseg.label_sets import ALL
from edgeseg.spec import HeadSpec, InputSpec
from tests.runtime.specs import instances_spec, labels_spec, logits_spec

SIZE_HW = (12, 20)


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Three images and their label maps."""
    for name in ("images", "labels"):
        (tmp_path / name).mkdir()
    for i in range(3):
        cv2.imwrite(str(tmp_path / "images" / f"{i}.png"), np.full((*SIZE_HW, 3), 40 * i, np.uint8))
        cv2.imwrite(str(tmp_path / "labels" / f"{i}.png"), np.full(SIZE_HW, i % 2, np.uint8))
    return tmp_path / "images", tmp_path / "labels"


def test_images_come_as_a_run_reads_them_with_their_labels(folders: tuple[Path, Path]) -> None:
    data = LabelledImages(labels_spec(), *folders)
    assert len(data) == 3
    read = list(data)
    assert [one.name for one in read] == ["0.png", "1.png", "2.png"]
    assert [(int(one.image[0, 0, 0]), int(np.max(one.truth))) for one in read] == [(0, 0), (40, 1), (80, 0)]
    assert data.notes == []


def test_what_has_no_partner_or_cannot_be_read_is_left_out_and_said(folders: tuple[Path, Path]) -> None:
    images, labels = folders
    (labels / "0.png").rename(labels / "other.png")
    (images / "1.png").write_bytes(b"no picture")
    data = LabelledImages(labels_spec(), images, labels)
    assert [one.name for one in data] == ["2.png"]
    assert "1 images have no labels and are left out: 0.png" in data.notes
    assert "1 labels have no image: other.png" in data.notes
    assert any("left out: " in note and "1.png is damaged" in note for note in data.notes)


def test_images_none_of_which_can_be_read_are_an_error(folders: tuple[Path, Path]) -> None:
    for path in folders[0].iterdir():
        path.write_bytes(b"no picture")
    with pytest.raises(SourceError, match="none of the 3"):
        list(LabelledImages(labels_spec(), *folders))


def test_a_label_map_of_another_size_is_refused(folders: tuple[Path, Path]) -> None:
    cv2.imwrite(str(folders[1] / "1.png"), np.zeros((20, 20), np.uint8))
    with pytest.raises(UsageError, match=r"1\.png is 20x20; a label map has the size of its image, 12x20"):
        list(LabelledImages(labels_spec(), *folders))


def test_several_pictures_in_one_file_are_refused(folders: tuple[Path, Path]) -> None:
    (folders[0] / "1.png").unlink()
    cv2.imwritemulti(str(folders[0] / "1.tif"), [np.zeros((*SIZE_HW, 3), np.uint8)] * 2)
    with pytest.raises(UsageError, match=r"1\.tif holds several pictures"):
        list(LabelledImages(labels_spec(), *folders))


def test_the_label_that_is_not_counted_is_that_of_the_data_set_or_said(folders: tuple[Path, Path]) -> None:
    images, labels = folders
    cv2.imwrite(str(labels / "0.png"), np.full(SIZE_HW, 11, np.uint8))
    camvid = ALL["camvid"]
    spec = dataclasses.replace(labels_spec(), class_names=camvid.class_names, palette_rgb=camvid.palette_rgb)
    assert (next(iter(LabelledImages(spec, images, labels))).truth == 255).all()
    with pytest.raises(UsageError, match="has the value 11"):
        list(LabelledImages(spec, images, labels, ignore_label=255))
    with pytest.raises(UsageError, match="all are counted"):
        list(LabelledImages(spec, images, labels, ignore_label="none"))
    mapped = LabelledImages(spec, images, labels, rules=("11=2",))
    assert (next(iter(mapped)).truth == 2).all()


def test_of_sets_that_store_classes_otherwise_it_is_said_how_values_are_read(
    folders: tuple[Path, Path],
) -> None:
    ade = ALL["ade20k"]
    spec = dataclasses.replace(labels_spec(), class_names=ade.class_names, palette_rgb=ade.palette_rgb)
    assert any("--map-label ade20k" in note for note in LabelledImages(spec, *folders).notes)
    data = LabelledImages(spec, *folders, rules=("ade20k",))
    assert data.notes == []
    assert [int(np.max(one.truth)) for one in data] == [255, 0, 255]


def test_colours_are_read_by_a_palette_of_as_many_classes(folders: tuple[Path, Path]) -> None:
    cv2.imwrite(str(folders[1] / "0.png"), np.full((*SIZE_HW, 3), (1, 2, 3), np.uint8))
    data = LabelledImages(labels_spec(), *folders, palette_rgb=((9, 9, 9), (3, 2, 1)))
    assert (next(iter(data)).truth == 1).all()
    with pytest.raises(UsageError, match="the palette has 21 colours, the network 2 classes"):
        LabelledImages(labels_spec(), *folders, palette_rgb=ALL["voc"].palette_rgb)


def test_arrays_are_read_for_networks_of_other_channels(folders: tuple[Path, Path]) -> None:
    images, labels = folders
    for path in images.iterdir():
        path.unlink()
    np.save(images / "1.npy", np.full((*SIZE_HW, 5), 700, np.uint16))
    taken = InputSpec(*SIZE_HW, channels=5, dtype="uint16", channel_order="stored")
    graph = dataclasses.replace(labels_spec().graph, mean_rgb=(0.0,) * 5, std_rgb=(1.0,) * 5)
    spec = dataclasses.replace(labels_spec(), input=taken, graph=graph)
    (one,) = LabelledImages(spec, images, labels)
    assert (one.image.shape, one.image.dtype, int(one.image.max())) == ((*SIZE_HW, 5), np.uint16, 700)


def test_objects_come_from_a_coco_json(folders: tuple[Path, Path], tmp_path: Path) -> None:
    square = {"category_id": 4, "segmentation": [[2, 2, 8, 2, 8, 8, 2, 8]]}
    content = {
        "images": [{"id": i, "file_name": f"{i}.jpg", "height": 12, "width": 20} for i in (1, 2, 9)],
        "categories": [{"id": 4, "name": "thing 1"}],
        "annotations": [{"id": 1, "image_id": 2, **square}],
    }
    path = tmp_path / "instances.json"
    path.write_text(json.dumps(content))
    data = LabelledImages(instances_spec(2), folders[0], path)
    assert [(one.name, len(one.truth)) for one in data] == [("1.png", 0), ("2.png", 1)]
    assert data.class_ids == {1}
    assert "1 images have no labels and are left out: 0.png" in data.notes
    assert "1 labels have no image: 9" in data.notes
    cv2.imwrite(str(folders[0] / "2.png"), np.zeros((20, 20, 3), np.uint8))
    with pytest.raises(UsageError, match=r"2\.png is 20x20, its annotations are of an image of 12x20"):
        list(LabelledImages(instances_spec(2), folders[0], path))
    for image in folders[0].iterdir():
        image.rename(image.with_stem(f"x{image.stem}"))
    with pytest.raises(UsageError, match=r"none of the 3 images in .* is one of the 3 that"):
        LabelledImages(instances_spec(2), folders[0], path)


def test_instance_maps_are_for_networks_of_one_kind(folders: tuple[Path, Path]) -> None:
    assert [len(one.truth) for one in LabelledImages(instances_spec(1), *folders)] == [0, 1, 0]
    with pytest.raises(UsageError, match="do not say of which of 2 kinds they are; give a COCO json"):
        LabelledImages(instances_spec(2), *folders)


def test_labels_that_do_not_fit_the_task_are_refused(folders: tuple[Path, Path]) -> None:
    with pytest.raises(UsageError, match="for maps of classes, this network finds instances"):
        LabelledImages(instances_spec(1), *folders, ignore_label=255)
    overlapping = dataclasses.replace(logits_spec(), head=HeadSpec("multilabel"))
    with pytest.raises(UsageError, match="the classes of this network may overlap"):
        LabelledImages(overlapping, *folders)
    with pytest.raises(UsageError, match="is not a folder"):
        LabelledImages(labels_spec(), folders[0], folders[1] / "0.png")
    with pytest.raises(UsageError, match="cannot be read"):
        LabelledImages(instances_spec(1), folders[0], folders[1] / "none.json")
