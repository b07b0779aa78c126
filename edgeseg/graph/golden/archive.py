"""Read the arrays of a NumPy archive (`.npz`), allocating no more than its files hold."""

from __future__ import annotations

import io
import math
import zipfile
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from edgeseg.errors import SpecError
from edgeseg.limits import refuse_above

NUMBERS = "biuf"  # kinds of dtypes
SUFFIX = ".npy"


def read_arrays(block: bytes) -> dict[str, NDArray[Any]]:
    """Read all arrays by their names.

    Raises:
        SpecError: if they take more bytes than a text may have, which holds them.
        ValueError: if one is damaged, or holds no numbers.
        zipfile.BadZipFile: if it is no archive; other errors of its reader are possible.
    """
    with zipfile.ZipFile(io.BytesIO(block)) as archive:
        size = sum(entry.file_size for entry in archive.infolist())
        refuse_above("text", size, "the golden outputs unpacked", SpecError)
        return {name.removesuffix(SUFFIX): _array(archive.read(name)) for name in archive.namelist()}


def _array(data: bytes) -> NDArray[Any]:
    """Read one `.npy` file; NumPy's own reader believes the shape in its header."""
    file = io.BytesIO(data)
    version = npy.read_magic(file)
    read_header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, fortran_order, dtype = read_header(file)
    values = memoryview(data)[file.tell() :]
    if dtype.kind not in NUMBERS or math.prod(shape) * dtype.itemsize != len(values):
        raise ValueError(f"an array of {dtype} {shape} in {len(values)} bytes")
    array: NDArray[Any] = np.frombuffer(bytearray(values), dtype)
    return array.reshape(shape, order="F" if fortran_order else "C")
