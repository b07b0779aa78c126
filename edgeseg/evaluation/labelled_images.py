"""Read the images of a folder one after another, each with what is true of it, in a network's own classes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgeseg import label_sets
from edgeseg.errors import UsageError
from edgeseg.evaluation.label_map import LabelMaps
from edgeseg.evaluation.objects import ONE_KIND, Annotation, objects_of_map, read_coco
from edgeseg.evaluation.pairing import files_by_stem, missing_notes, pair
from edgeseg.evaluation.stored_values import NAMED
from edgeseg.palette import RGBColour
from edgeseg.runtime.sources.arrays import ARRAY_SUFFIXES, ArraysSource
from edgeseg.runtime.sources.base import Source
from edgeseg.runtime.sources.images import IMAGE_SUFFIXES, ImagesSource
from edgeseg.spec import VOID_LABEL, ModelSpec

Truth = NDArray[np.uint8] | list[Annotation]
"""Class ids (H, W), 255 where they are not known; or objects as COCO annotations."""

Size = tuple[int, int]


@dataclass(frozen=True)
class Labelled:
    """An image, as the runtime takes it, and what is true of it; `name` is its file's."""

    name: str
    image: NDArray[Any]
    truth: Truth


class LabelledImages:
    """The images of a folder that have labels; iterate it to read them.

    Files are matched by the stems of their names. What has no partner, and images that cannot be read, are
    left out and noted; labels that cannot be read, or have another size than their image, are refused.

    Args:
        spec: of the network, whose classes the labels are read as.
        images: a folder; its subfolders are looked through, too.
        labels: for semantic networks a folder of label maps: PNGs (or TIFFs) whose values, palette indices or
            colours are classes. For instances a COCO json, or, where the network knows one kind of object, a
            folder of instance maps: 0 is background, every other value an object.
        ignore_label: the value in label maps that is not counted; `none`: all are. None stands for that of
            the data set whose classes the network has, or 255.
        rules: what other values mean, `VALUE=CLASS`; see `stored_values.table_of`.
        palette_rgb: a colour for each class, for label maps in colour.
        image_suffix: end of stems that is not matched, such as `_leftImg8bit`.
        label_suffix: likewise, such as `_gtFine_labelTrainIds`.
        most: images to take, spread evenly over those that have labels; None for all.

    Attributes:
        class_ids: of objects that the labels know.
        notes: one line for each thing that is left out, or read in a way that a user might not expect; those
            of reading come at its end.

    Raises:
        UsageError: if the labels do not fit the network, or no image has any.
    """

    def __init__(
        self,
        spec: ModelSpec,
        images: Path,
        labels: Path,
        *,
        ignore_label: int | Literal["none"] | None = None,
        rules: Sequence[str] = (),
        palette_rgb: Sequence[RGBColour] = (),
        image_suffix: str = "",
        label_suffix: str = "",
        most: int | None = None,
    ) -> None:
        self.spec = spec
        self.notes: list[str] = []
        self.class_ids = frozenset(range(1, len(spec.class_names)))
        self._folder = images
        self._suffixes = suffixes_of(spec)
        self._read: Mapping[Path, Callable[[Size], Truth]]
        if spec.task == "instance" and (rules or palette_rgb or ignore_label is not None):
            raise UsageError(
                "palettes and values of labels are for maps of classes, this network finds instances; leave "
                "out --palette, --map-label and --ignore-label"
            )
        if spec.task == "instance" and not labels.is_dir():
            self._read = self._of_coco(labels, image_suffix)
        else:
            pairing = pair(
                images, labels, self._suffixes, image_suffix=image_suffix, label_suffix=label_suffix
            )
            self.notes += pairing.notes
            if spec.task == "instance":
                self._check_one_kind(labels)
                self._read = {image: partial(objects_of_map, label) for image, label in pairing.pairs}
            else:
                maps = self._label_maps(ignore_label, rules, palette_rgb)
                self._read = {image: partial(maps.read, label) for image, label in pairing.pairs}
        if most is not None and len(self._read) > most:
            self.notes.append(f"{most} of {len(self._read)} images are taken, spread evenly")
            self._read = {path: self._read[path] for path in spread(list(self._read), most)}

    def __len__(self) -> int:
        """Count the images that have labels."""
        return len(self._read)

    @property
    def paths(self) -> list[Path]:
        """The images that have labels."""
        return list(self._read)

    def __iter__(self) -> Iterator[Labelled]:
        """Read them.

        Raises:
            UsageError: if labels cannot be read, or do not fit their image.
            SourceError: if none of the images can be read.
        """
        by_name = {path.name: path for path in self._read}
        with source_of(self.paths, self._folder, self.spec) as source:
            for frame in source:
                path = by_name[str(frame.name)]
                if frame.page is not None:
                    raise UsageError(f"{path} holds several pictures, labels are of one; save them as files")
                size_hw = frame.image.shape[0], frame.image.shape[1]
                yield Labelled(path.name, frame.image, self._read[path](size_hw))
            self.notes += source.notes
            self.notes += [f"left out: {line}" for line in source.skipped]

    def _label_maps(
        self,
        ignore_label: int | Literal["none"] | None,
        rules: Sequence[str],
        palette_rgb: Sequence[RGBColour],
    ) -> LabelMaps:
        names = self.spec.class_names
        if self.spec.head.kind == "multilabel":
            raise UsageError("label maps hold one class a pixel, the classes of this network may overlap")
        if palette_rgb and len(palette_rgb) != len(names):
            raise UsageError(
                f"the palette has {len(palette_rgb)} colours, the network {len(names)} classes; give one each"
            )
        known = label_sets.of_names(names)
        if known is not None and known.name in NAMED and not rules and not palette_rgb:
            self.notes.append(
                f"values of label maps are taken for class ids; files as {known.name} has them hold others: "
                f"--map-label {known.name}"
            )
        ignored = VOID_LABEL if known is None else known.ignore_label
        if ignore_label is None:
            return LabelMaps(len(names), ignore=ignored, rules=rules, palette_rgb=palette_rgb)
        if ignore_label == "none":
            return LabelMaps(len(names), ignore=None, rules=rules, palette_rgb=palette_rgb)
        said = (f"{ignore_label}=ignore", *rules)
        return LabelMaps(len(names), ignore=ignore_label, rules=said, palette_rgb=palette_rgb)

    def _check_one_kind(self, labels: Path) -> None:
        kinds = len(self.spec.class_names) - 1
        if kinds != ONE_KIND:
            raise UsageError(
                f"instance maps number objects, and do not say of which of {kinds} kinds they are; give a "
                f"COCO json in the place of {labels}"
            )

    def _of_coco(self, path: Path, image_suffix: str) -> Mapping[Path, Callable[[Size], Truth]]:
        content = read_coco(path, self.spec.class_names)
        pictures = files_by_stem(self._folder, self._suffixes, image_suffix)
        unlabelled = [image for stem, image in pictures.items() if stem not in content.by_stem]
        self.notes += content.notes
        self.notes += missing_notes(unlabelled, [stem for stem in content.by_stem if stem not in pictures])
        self.class_ids = content.class_ids
        found = {image: stem for stem, image in pictures.items() if stem in content.by_stem}
        if not found:
            raise UsageError(
                f"none of the {len(pictures)} images in {self._folder} is one of the "
                f"{len(content.by_stem)} that {path} names; names are matched without their suffix"
            )
        return {image: partial(_objects, image, *content.by_stem[stem]) for image, stem in found.items()}


def suffixes_of(spec: ModelSpec) -> Collection[str]:
    """Give the ends of the names of files that hold what a network takes."""
    return IMAGE_SUFFIXES if spec.input.takes_camera_frames else ARRAY_SUFFIXES


def source_of(paths: Sequence[Path], folder: Path, spec: ModelSpec) -> Source:
    """Open image files of a folder, or arrays, as frames of what a network takes."""
    if spec.input.takes_camera_frames:
        return ImagesSource(paths, str(folder))
    return ArraysSource(paths, str(folder), spec.input)


def spread(paths: Sequence[Path], most: int) -> list[Path]:
    """Choose at most so many of files, evenly over their order."""
    if len(paths) <= most:
        return list(paths)
    return [paths[place * len(paths) // most] for place in range(most)]


def _objects(image: Path, declared_hw: Size, objects: list[Annotation], size_hw: Size) -> list[Annotation]:
    """Give an image's objects. Raises UsageError, if it has another size than is declared of it."""
    if declared_hw != size_hw:
        raise UsageError(
            f"{image} is {size_hw[0]}x{size_hw[1]}, its annotations are of an image of "
            f"{declared_hw[0]}x{declared_hw[1]}; give the images that were annotated"
        )
    return objects
