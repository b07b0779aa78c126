"""Hand arrays from one process to another by memory that both see: nothing large goes through a pipe."""

from __future__ import annotations

import math
import mmap
import os
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

ALIGNMENT = 64  # bytes; what vector instructions like best


class Place(NamedTuple):
    """Where an array lies, in bytes from the beginning, and what it is."""

    offset: int
    dtype: str
    shape: tuple[int, ...]

    @property
    def end(self) -> int:
        """Where it ends."""
        return self.offset + np.dtype(self.dtype).itemsize * math.prod(self.shape)


class SharedArrays:
    """Memory without a name, that grows; what is put into it stays until the next arrays are put there.

    Args:
        descriptor: of the file that stands for the memory, which a child inherits.
    """

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self._map: mmap.mmap | None = None

    @classmethod
    def create(cls) -> SharedArrays | None:
        """Make such memory; None where the system has none."""
        try:
            return cls(os.memfd_create("edgeseg"))
        except (AttributeError, OSError):  # elsewhere than on Linux, or forbidden there
            return None

    def put(self, arrays: Sequence[NDArray[Any]]) -> list[Place]:
        """Copy arrays in, in the place of those before, and say where each is."""
        places: list[Place] = []
        offset = 0
        for array in arrays:
            places.append(Place(offset, array.dtype.str, array.shape))
            offset = -(-places[-1].end // ALIGNMENT) * ALIGNMENT
        if offset > os.fstat(self.descriptor).st_size:
            os.ftruncate(self.descriptor, offset)
        for place, array in zip(places, arrays, strict=True):
            np.copyto(self.view(place), array)
        return places

    def view(self, place: Place) -> NDArray[Any]:
        """Look at an array where it is."""
        if place.end == place.offset:
            return np.empty(place.shape, place.dtype)
        if self._map is None or len(self._map) < place.end:
            self._map = mmap.mmap(self.descriptor, os.fstat(self.descriptor).st_size)
        array: NDArray[Any] = np.ndarray(place.shape, place.dtype, self._map, place.offset)
        return array

    def close(self) -> None:
        """Let go of the memory; it is freed when the other process has done so, too."""
        self._map = None
        os.close(self.descriptor)
