"""Read true objects, of a COCO json or an instance map, as COCO annotations with the network's class ids."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as rle

from edgeseg.errors import UsageError, shown
from edgeseg.evaluation.label_map import read_values
from edgeseg.evaluation.pairing import FEW
from edgeseg.frames.rle import decode, encode_labels
from edgeseg.limits import refuse_above
from edgeseg.reading import parse_json, read_bytes, reading

Annotation = dict[str, Any]
FIX = "give instances in the format of COCO's data sets"
ONE_KIND = 1  # class id of the objects of an instance map


@dataclass(frozen=True)
class CocoObjects:
    """The objects of a COCO json, by the stem of their image's name.

    Attributes:
        by_stem: size (height, width) and annotations, `category_id` being the network's class id.
        class_ids: the network's classes that it has annotations for, if there are any; others are not known.
        notes: what of it is left out.
    """

    by_stem: Mapping[str, tuple[tuple[int, int], list[Annotation]]]
    class_ids: frozenset[int]
    notes: tuple[str, ...]


def read_coco(path: Path, class_names: Sequence[str]) -> CocoObjects:
    """Read a COCO json; its categories are matched with the network's classes by name.

    Raises:
        UsageError: if it is none, or none of its categories has the name of a class.
    """
    with reading(path, UsageError, what="a COCO json", fix=FIX):
        content = parse_json(read_bytes(path), UsageError, str(path), limit="bytes")
        names = {int(one["id"]): str(one["name"]) for one in content["categories"]}
        images = {int(one["id"]): one for one in content["images"]}
        of_image: dict[int, list[Annotation]] = defaultdict(list)
        class_of = _class_ids(path, names, class_names)
        for one in content["annotations"]:
            if int(one["category_id"]) in class_of:
                of_image[int(one["image_id"])].append(one)
        by_stem: dict[str, tuple[tuple[int, int], list[Annotation]]] = {}
        for image_id, image in images.items():
            size_hw = int(image["height"]), int(image["width"])
            refuse_above("pixels", size_hw[0] * size_hw[1], f"an image of {path}", UsageError)
            stem = Path(str(image["file_name"])).stem
            if stem in by_stem:
                raise UsageError(f"{path} has two images of the name {shown(stem)}")
            by_stem[stem] = size_hw, [_annotation(one, size_hw, class_of) for one in of_image[image_id]]
    unknown = [names[i] for i in names if i not in class_of]
    notes = []
    if _are_numbers(class_names):
        notes.append(f"the network's classes have no names: category ids of {path.name} are taken for theirs")
    if unknown:
        notes.append(
            f"{len(unknown)} categories of {path.name} are no classes of the network and are left out: "
            f"{_few(unknown)}"
        )
    missing = [name for i, name in enumerate(class_names) if i and i not in class_of.values()]
    if missing:
        notes.append(
            f"{len(missing)} classes of the network are no categories of {path.name}; what is found of them "
            f"is not counted: {_few(missing)}"
        )
    return CocoObjects(by_stem, frozenset(class_of.values()), tuple(notes))


def objects_of_map(path: Path, size_hw: tuple[int, int]) -> list[Annotation]:
    """Read an instance map: 0 is background, every other value an object of class 1.

    Raises:
        UsageError: if it is no such map, or has another size than its image.
    """
    values = read_values(path)
    if values.shape != size_hw:
        raise UsageError(
            f"{path} is {'x'.join(map(str, values.shape))}; an instance map has one channel and its image's "
            f"size, {size_hw[0]}x{size_hw[1]}"
        )
    return [_of_mask(values == value) for value in np.unique(values[values > 0]).tolist()]


def _of_mask(mask: NDArray[np.bool_]) -> Annotation:
    encoded = encode_labels(mask.astype(np.uint8))[1]
    return {
        "category_id": ONE_KIND,
        "segmentation": encoded,
        "bbox": rle.toBbox(encoded).tolist(),
        "area": int(np.count_nonzero(mask)),
        "iscrowd": 0,
    }


def _annotation(one: Mapping[str, Any], size_hw: tuple[int, int], class_of: Mapping[int, int]) -> Annotation:
    """Turn polygons and uncompressed run lengths into compressed ones."""
    segmentation, side = one["segmentation"], max(size_hw)
    if isinstance(segmentation, list):
        if any(not -side <= value <= 2 * side for part in segmentation for value in part):
            raise UsageError(f"annotation {one.get('id')} has a polygon far outside of its image")
        encoded = rle.merge(rle.frPyObjects(segmentation, *size_hw))
    else:
        encoded = {"size": list(size_hw), "counts": segmentation["counts"]}
        if isinstance(segmentation["counts"], list):
            encoded = rle.frPyObjects(encoded, *size_hw)
        decode(encoded)  # refuses run lengths that are not those of the image
    box = [float(edge) for edge in one["bbox"]] if "bbox" in one else rle.toBbox(encoded).tolist()
    return {
        "category_id": class_of[int(one["category_id"])],
        "segmentation": encoded,
        "bbox": box,
        "area": float(one["area"]) if "area" in one else float(rle.area(encoded)),
        "iscrowd": int(one.get("iscrowd", 0)),
    }


def _class_ids(path: Path, names: Mapping[int, str], class_names: Sequence[str]) -> dict[int, int]:
    """Map category ids to class ids: by name, or, where a network has numbers for names, by id."""
    known = {_plain(name): class_id for class_id, name in enumerate(class_names) if class_id}
    found = {i: known[_plain(name)] for i, name in names.items() if _plain(name) in known}
    if found:
        return found
    if _are_numbers(class_names):
        return {i: i for i in names if 1 <= i < len(class_names)}
    theirs, ours = _few(list(names.values())), _few(list(class_names[1:]))
    raise UsageError(
        f"no category of {path} has the name of a class: it has {theirs}, the network {ours}; export the "
        "model with --classes"
    )


def _are_numbers(class_names: Sequence[str]) -> bool:
    return all(_plain(name) == f"class{class_id}" for class_id, name in enumerate(class_names) if class_id)


def _few(names: Sequence[str]) -> str:
    return shown(", ".join(names[:FEW]) + (", ..." if len(names) > FEW else ""))


def _plain(name: str) -> str:
    """Names differ in case, blanks and hyphens between data sets."""
    return "".join(letter for letter in name.casefold() if letter.isalnum())
