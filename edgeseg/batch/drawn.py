"""Remove label maps and overlays of files whose results are made anew, by what they are called.

A picture's is called FILE.png, or FILE-PAGE.png; those of a video or a shard are FILE/INDEX.png, or
FILE/INDEX-PAGE.png.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path, PurePath

from edgeseg.batch.parts import LABELS, OVERLAYS, Parts
from edgeseg.batch.piece import Piece
from edgeseg.batch.places import Place, listed, remove
from edgeseg.files import is_passing
from edgeseg.runtime.sinks.images import CLASSES_NAME

AT_ONCE = 32  # files that are removed, which is to wait for a store
SUFFIX_OF = {LABELS: ".png", OVERLAYS: ".jpg"}
PAGE = re.compile(r"-\d{6,}$")
FRAME = re.compile(r"/\d{6,}(-\d{6,})?$")


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
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(remove, [_below(folder, name) for name in gone]))
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


def _below(folder: Place, name: str) -> Place:
    for one in name.split("/"):
        folder = folder / one
    return folder


def _remove_empty(folder: Path, names: Iterable[str]) -> None:
    """Remove the folders of files that went, as far as nothing else is in them, and that of all."""
    folders = {parent for name in names for parent in PurePath(name).parents}
    for one in sorted(folders, key=lambda parent: len(parent.parts), reverse=True):
        with suppress(OSError):
            (folder / one).rmdir()
