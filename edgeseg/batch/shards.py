"""Split shards, many pictures in one file, among processes, and give their pictures.

Shards are tar files as WebDataset writes them, and Parquet files with a column of pictures, as Hugging Face's
datasets write them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from edgeseg.batch import columns, tars
from edgeseg.batch.piece import Sample, Samples
from edgeseg.batch.places import Place

TAR, PARQUET = ".tar", ".parquet"
SHARD_SUFFIXES = frozenset((TAR, PARQUET))


def split(path: Place, field: str | None) -> tuple[Sequence[Samples], Sequence[int]]:
    """Split a shard; one that is damaged is split as far as it can be read.

    A tar file in a store is not split: to find its samples is to read it.

    Args:
        field: the extension, or the column, that holds the pictures; None where the file itself tells.

    Returns:
        The parts, and how many samples each is expected to have.

    Raises:
        SourceError: if it cannot be read at all, or does not tell where its pictures are.
    """
    return tars.split(path, field) if path.suffix.lower() == TAR else columns.split(path, field)


def samples_of(path: Place, part: Samples) -> Iterator[Sample]:
    """Give the samples of a part of a shard, each with its picture or with what is wrong with it.

    Raises:
        SourceError: if the shard cannot be read, or not on.
    """
    reader = tars if path.suffix.lower() == TAR else columns
    yield from reader.samples(path, part)
