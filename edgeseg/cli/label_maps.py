"""Turn a folder of images and one of label maps into pairs, and a map into an array that is checked."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgeseg.cli.images import CALIBRATION_IMAGES
from edgeseg.errors import SourceError, UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from edgeseg.spec import InputSpec, ModelSpec

FEWEST_IMAGES = 4
SUFFIXES = (".npy", ".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")


def pairs_of(images: Path, labels: Path) -> list[tuple[Path, Path]]:
    """Match images with label maps by their names without suffix.

    Raises:
        UsageError: if one of them is no folder, or there are fewer than FEWEST_IMAGES pairs.
    """
    for folder in (images, labels):
        if not folder.is_dir():
            raise UsageError(f"{folder} is not a folder")
    maps = {path.stem: path for path in labels.iterdir() if path.suffix.lower() == ".png"}
    pictures = sorted(path for path in images.iterdir() if path.suffix.lower() in SUFFIXES)
    pairs = [(path, maps[path.stem]) for path in pictures if path.stem in maps]
    if len(pairs) < FEWEST_IMAGES:
        raise UsageError(
            f"{len(pairs)} of {len(pictures)} images in {images} have a label map of the same name (.png) in "
            f"{labels}; at least {FEWEST_IMAGES} are needed"
        )
    return pairs


def read_pair(
    image: Path, label: Path, classes: int, taken: InputSpec | None = None
) -> tuple[NDArray[Any], NDArray[np.uint8]]:
    """Read an image and its class ids (H, W), VOID_LABEL where they are not counted.

    Args:
        image: (H, W, 3) uint8 BGR, or of the channels and type of `taken`.
        label: of the same size.
        classes: how many there are.
        taken: the network's input.

    Raises:
        UsageError: if one of them is no image, or the map has another size, or values that are no class.
    """
    from edgeseg.evaluation.label_map import LabelMaps
    from edgeseg.spec import VOID_LABEL

    frame = _read_frame(image, taken)
    maps = LabelMaps(classes, rules=(f"{VOID_LABEL}=ignore",))
    return frame, maps.read(label, (frame.shape[0], frame.shape[1]))


def read_labelled(images: Path, labels: Path, spec: ModelSpec) -> tuple[NDArray[Any], NDArray[np.uint8]]:
    """Read images as the network will see them, at most CALIBRATION_IMAGES spread evenly, and their labels.

    Returns:
        (M, H, W, C) of the input's type, and (M, H, W) uint8 class ids, those of the nearest pixel,
        VOID_LABEL in the padding.

    Raises:
        UsageError: as `pairs_of` and `read_pair`, and if the network's task has no label maps.
    """
    import numpy as np

    from edgeseg.frames.preprocess import Preprocessor
    from edgeseg.opencv import cv2
    from edgeseg.spec import VOID_LABEL

    if spec.task != "semantic" or spec.head.kind == "multilabel":
        raise UsageError(
            "--labels are maps of one class a pixel, for semantic networks; without, the drop is measured "
            "against fp32"
        )
    pairs = pairs_of(images, labels)
    chosen = [pairs[i * len(pairs) // CALIBRATION_IMAGES] for i in range(CALIBRATION_IMAGES)]
    prepare = Preprocessor(spec.input)
    frames, maps = [], []
    for image, label in chosen if len(pairs) > CALIBRATION_IMAGES else pairs:
        frame, truth = read_pair(image, label, max(len(spec.class_names), 2), spec.input)
        prepared = prepare(frame)
        place = prepared.placement
        placed = np.full(place.input_hw, VOID_LABEL, np.uint8)
        size = (place.width, place.height)
        placed[place.window] = cv2.resize(truth, size, interpolation=cv2.INTER_NEAREST_EXACT)
        frames.append(prepared.image.copy())
        maps.append(placed)
    return np.concatenate(frames), np.stack(maps)


def _read_frame(path: Path, taken: InputSpec | None) -> NDArray[Any]:
    """Read the (first) picture of a file as a run would."""
    from edgeseg.runtime.sources.arrays import ArraysSource
    from edgeseg.runtime.sources.images import ImagesSource

    is_array = taken is not None and not taken.takes_camera_frames
    try:
        source = ArraysSource.of(path, taken) if taken and is_array else ImagesSource.file(path)
        return next(iter(source)).image
    except SourceError as error:
        raise UsageError(f"{path} cannot be read as an image: {error}") from error
