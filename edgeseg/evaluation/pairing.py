"""Match images with their label maps by the stems of their names, and name what has no partner."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from edgeseg.errors import UsageError
from edgeseg.runtime.sources.images import natural_key

MAP_SUFFIXES = (".png", ".tif", ".tiff", ".bmp")
FEW = 5  # names in a message


@dataclass(frozen=True)
class Pairing:
    """What two folders have in common.

    Attributes:
        pairs: of an image and its label map, in natural order of the images.
        unlabelled: images without a label map.
        unused: label maps without an image.
    """

    pairs: tuple[tuple[Path, Path], ...]
    unlabelled: tuple[Path, ...]
    unused: tuple[Path, ...]

    @property
    def notes(self) -> list[str]:
        """Name what has no partner."""
        return missing_notes(self.unlabelled, self.unused)


def pair(
    images: Path,
    labels: Path,
    suffixes: Collection[str],
    *,
    image_suffix: str = "",
    label_suffix: str = "",
) -> Pairing:
    """Match the files of two folders, and of their subfolders.

    Args:
        suffixes: of images.
        image_suffix: an end of images' stems that their label maps do not share, such as `_leftImg8bit`;
            files without it are not looked at.
        label_suffix: likewise of label maps, such as `_gtFine_labelTrainIds`.

    Raises:
        UsageError: if one of them is no folder, they are one, two files of one have the same stem, or nothing
            matches.
    """
    if images.resolve() == labels.resolve():
        raise UsageError(
            f"{images} cannot hold both images and labels; put the labels into a folder of theirs"
        )
    maps = files_by_stem(labels, MAP_SUFFIXES, label_suffix)
    pictures = files_by_stem(images, suffixes, image_suffix)
    if not maps.keys() & pictures.keys():
        raise UsageError(
            f"none of the {len(pictures)} images in {images} has a label map of its name (of "
            f"{', '.join(MAP_SUFFIXES)}) among the {len(maps)} in {labels}; --label-suffix and "
            "--image-suffix say how names end that differ"
        )
    return Pairing(
        tuple((path, maps[stem]) for stem, path in pictures.items() if stem in maps),
        tuple(path for stem, path in pictures.items() if stem not in maps),
        tuple(path for stem, path in maps.items() if stem not in pictures),
    )


def files_by_stem(folder: Path, suffixes: Collection[str], ending: str = "") -> dict[str, Path]:
    """List a folder's files of some kinds, those of subfolders included, by stem without its ending.

    Raises:
        UsageError: if it is no folder, or two of the files have the same stem.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder} is not a folder")
    found: dict[str, Path] = {}
    for path in sorted(folder.rglob("*"), key=natural_key):
        if path.suffix.lower() not in suffixes or not path.stem.endswith(ending) or not path.is_file():
            continue
        stem = path.stem.removesuffix(ending)
        if stem in found:
            raise UsageError(
                f"{found[stem]} and {path} have the same stem, by which images and labels are matched; "
                "rename one"
            )
        found[stem] = path
    return found


def missing_notes(unlabelled: Collection[Path], unused: Collection[Path | str]) -> list[str]:
    """Name images without labels, and labels without an image."""
    notes = []
    if unlabelled:
        notes.append(f"{len(unlabelled)} images have no labels and are left out: {_few(unlabelled)}")
    if unused:
        notes.append(f"{len(unused)} labels have no image: {_few(unused)}")
    return notes


def _few(paths: Collection[Path | str]) -> str:
    names = [Path(path).name for path in paths]
    rest = f", and {len(names) - FEW} more" if len(names) > FEW else ""
    return ", ".join(names[:FEW]) + rest
