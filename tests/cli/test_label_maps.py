"""Label maps lie where the network sees their images."""

from __future__ import annotations

import struct
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeseg.cli.label_maps import CALIBRATION_IMAGES, read_labelled
from edgeseg.errors import UsageError
from edgeseg.spec import GraphSpec, InputSpec, ModelSpec, OutputSpec, Provenance

HEIGHT, WIDTH = 20, 30


def spec(size: InputSpec, task: str = "semantic") -> ModelSpec:
    names = ("labels",) if task == "semantic" else ("boxes", "scores", "class_ids", "masks")
    return ModelSpec(
        task="semantic" if task == "semantic" else "instance",
        class_names=("background", "left", "right"),
        input=size,
        graph=GraphSpec((0.0,) * 3, (1.0,) * 3),
        output_kind="labels" if task == "semantic" else "instances",
        outputs=tuple(OutputSpec(name, "uint8", (1,)) for name in names),
        source=Provenance("test"),
    )


def write(folder: Path, count: int, value: int = 2) -> tuple[Path, Path]:
    images, labels = folder / "images", folder / "labels"
    images.mkdir()
    labels.mkdir()
    for index in range(count):
        truth = np.ones((HEIGHT, WIDTH), np.uint8)
        truth[:, WIDTH // 2 :] = value
        cv2.imwrite(str(images / f"{index:03}.png"), np.repeat(truth[..., None] * 9, 3, axis=2))
        cv2.imwrite(str(labels / f"{index:03}.png"), truth)
    return images, labels


def test_padding_is_not_counted_and_classes_stay_what_they_are(tmp_path: Path) -> None:
    images, labels = write(tmp_path, 4)
    frames, maps = read_labelled(images, labels, spec(InputSpec(60, 60, resize="letterbox")))
    assert frames.shape == (4, 60, 60, 3)
    assert maps.shape == (4, 60, 60)
    assert (maps[:, :10] == 255).all()
    assert (maps[:, 50:] == 255).all()
    assert (maps[:, 10:50, :30] == 1).all()
    assert (maps[:, 10:50, 30:] == 2).all()


def test_images_without_a_map_are_left_out_and_many_are_spread(tmp_path: Path) -> None:
    images, labels = write(tmp_path, 2 * CALIBRATION_IMAGES)
    (labels / "001.png").unlink()
    frames, maps = read_labelled(images, labels, spec(InputSpec(HEIGHT, WIDTH)))
    assert len(frames) == len(maps) == CALIBRATION_IMAGES


def test_what_is_no_label_map_is_refused(tmp_path: Path) -> None:
    size = InputSpec(HEIGHT, WIDTH)
    images, labels = write(tmp_path, 4, value=7)
    with pytest.raises(UsageError, match="has the value 7; the network has 3 classes, 255 is not counted"):
        read_labelled(images, labels, spec(size))
    with pytest.raises(UsageError, match="for semantic networks"):
        read_labelled(images, labels, spec(size, "instance"))
    for path in labels.iterdir():
        path.unlink()
    with pytest.raises(UsageError, match=r"0 of 4 images in .* have a label map of the same name"):
        read_labelled(images, labels, spec(size))


def test_images_are_read_as_a_run_reads_them(tmp_path: Path) -> None:
    images, labels = write(tmp_path, 4)
    for path in images.iterdir():
        cv2.imwrite(str(path), np.full((HEIGHT, WIDTH), 4000, np.uint16))  # of a sensor of 12 bits
    frames, _ = read_labelled(images, labels, spec(InputSpec(HEIGHT, WIDTH)))
    assert (frames == 4000 // 16).all()


@pytest.mark.parametrize("kind", ["images", "labels"])
def test_declared_sizes_are_not_believed(tmp_path: Path, kind: str) -> None:
    images, labels = write(tmp_path, 4)
    path = {"images": images, "labels": labels}[kind] / "002.png"
    data = bytearray(path.read_bytes())
    data[16:24] = struct.pack(">II", 32_000, 32_000)
    path.write_bytes(data)
    with pytest.raises(UsageError, match=r"002\.png cannot be read as an image.*32000x32000.*--limit"):
        read_labelled(images, labels, spec(InputSpec(HEIGHT, WIDTH)))
