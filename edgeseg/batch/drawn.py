"""Name label maps and overlays, and remove those of files whose results are made anew, by their names.

A picture's is called FILE.png, or FILE-PAGE.png; those of a video or a shard are FILE/INDEX.png, or
FILE/INDEX-PAGE.png.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path, PurePath

from edgeseg.batch.at_once import at_once
from edgeseg.batch.parts import LABELS, OVERLAYS, Parts
from edgeseg.batch.piece import Piece
from edgeseg.batch.places import Place, listed, remove
from edgeseg.files import is_passing
from edgeseg.runtime.sinks.images import CLASSES_NAME

SUFFIX_OF = {LABELS: ".png", OVERLAYS: ".jpg"}
DIGITS = 6  # of INDEX and PAGE, or more
PAGE = re.compile(rf"-\d{{{DIGITS},}}$")
FRAME = re.compile(rf"/\d{{{DIGITS},}}(-\d{{{DIGITS},}})?$")


def drawn_name(kind: str, file: str, index: int | None, page: int | None) -> str:
    """Name a label map, or an overlay, of a frame, in its folder.

    Args:
        kind: LABELS or OVERLAYS.
        file: the name of the frame's file.
        index: the frame's in a video or a shard; else None.
        page: the picture's in a file of several; else None.
    """
    within = "" if index is None else f"/{index:0{DIGITS}d}"
    of_several = "" if page is None else f"-{page:0{DIGITS}d}"
    return f"{file}{within}{of_several}{SUFFIX_OF[kind]}"


def files_anew(pieces: Sequence[Piece], missing: Sequence[Piece]) -> frozenset[str]:
    """Name the files none of whose results hold."""
    count = Counter(one.name for piece in pieces for one in piece.files)
    count.subtract(one.name for piece in missing for one in piece.files)
    return frozenset(name for name, done in count.items() if not done)


def remove_drawn(parts: Parts, files: Collection[str], kinds: Iterable[str] = (LABELS, OVERLAYS)) -> None:
    """Remove the label maps and overlays of some files; with the last of them the names of the classes go.

    Pictures in a folder without these were not written by a batch, and stay.

    Raises:
        SourceError: if a store cannot be listed.
        SinkError: if one cannot be removed.
    """
    for kind in kinds if files else ():
        folder = parts.folder / kind
        names = frozenset(name for name in _names_below(folder) if not is_passing(PurePath(name).name))
        gone = {
            name for name in names if name.endswith(SUFFIX_OF[kind]) and not _files_of(name).isdisjoint(files)
        }
        if CLASSES_NAME not in names:
            continue
        if gone and names - gone == {CLASSES_NAME}:
            gone.add(CLASSES_NAME)
        at_once(remove, [folder / name for name in gone])
        if isinstance(folder, Path):
            _remove_empty(folder, gone)


def _files_of(name: str) -> set[str]:
    """Name the files that a label map or an overlay may be of."""
    stem = name.rpartition(".")[0]
    return {stem, PAGE.sub("", stem), FRAME.sub("", stem)}


def _names_below(folder: Place) -> Iterator[str]:
    """Name all files below a folder, from there, with `/`."""
    if isinstance(folder, Path):
        for place, _, names in os.walk(folder):
            within = Path(place).relative_to(folder)
            yield from ((within / name).as_posix() for name in names)
        return
    for one, _, _ in listed(folder):
        yield one.path.removeprefix(f"{folder.path}/")


def _remove_empty(folder: Path, names: Iterable[str]) -> None:
    """Remove the folders of files that went, as far as nothing else is in them, and that of all."""
    folders = {parent for name in names for parent in PurePath(name).parents}
    for one in sorted(folders, key=lambda parent: len(parent.parts), reverse=True):
        with suppress(OSError):
            (folder / one).rmdir()
