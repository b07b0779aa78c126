"""Bring the data that an ONNX graph keeps in other files into the graph, from its own folder alone."""

from __future__ import annotations

import math
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING

import numpy as np

from edgeseg.errors import ExportError, shown
from edgeseg.graph.content import MAX_FILE_BYTES
from edgeseg.graph.declared import tensors_of
from edgeseg.reading import open_regular

if TYPE_CHECKING:
    import onnx


def load_external_data(model: onnx.ModelProto, path: Path) -> tuple[Path, ...]:
    """Read what a graph's tensors keep beside the graph's own file, and put it into the message.

    Args:
        path: of the graph's file.

    Returns:
        The files that were read, each once.

    Raises:
        ExportError: if a tensor names a file outside the graph's folder, a link, or bytes that are not there.
        OSError: if such a file cannot be opened.
    """
    from onnx import TensorProto

    held = model.ByteSize()
    files: dict[Path, None] = {}
    for tensor in tensors_of(model):
        if tensor.data_location != TensorProto.EXTERNAL:
            continue
        said = {entry.key: entry.value for entry in tensor.external_data}
        what = f"{path}: the tensor {shown(tensor.name)}"
        file = _within(path.parent, said.get("location", ""), what)
        wanted = _bytes_of(tensor, what)
        held += wanted
        if held > MAX_FILE_BYTES:
            raise ExportError(f"{path} with its external data is larger than {MAX_FILE_BYTES} bytes")
        tensor.raw_data = _read(file, said, wanted, what)
        tensor.data_location = TensorProto.DEFAULT
        del tensor.external_data[:]
        files[file] = None
    return tuple(files)


def _within(folder: Path, location: str, what: str) -> Path:
    """Give the file's path, if it lies in the folder and no link leads there."""
    parts = PurePosixPath(location).parts
    absolute = PurePosixPath(location).is_absolute() or PureWindowsPath(location).anchor
    if not parts or absolute or ".." in parts or "\\" in location or "\0" in location:
        raise ExportError(
            f"{what} keeps its data in {shown(location)}, outside the folder of the file; a graph may read "
            "its own folder alone"
        )
    file = folder / location
    steps = (folder.joinpath(*parts[:count]) for count in range(1, len(parts) + 1))
    if any(step.is_symlink() for step in steps):
        raise ExportError(f"{what} keeps its data in {shown(location)}, which is a link; copy the file there")
    return file


def _bytes_of(tensor: onnx.TensorProto, what: str) -> int:
    from onnx import helper

    if any(side < 0 for side in tensor.dims):
        raise ExportError(f"{what} has a negative size; export the model again")
    try:
        width = np.dtype(helper.tensor_dtype_to_np_dtype(tensor.data_type)).itemsize
    except (KeyError, TypeError, ValueError) as error:
        raise ExportError(f"{what} is of a type that no file beside the graph holds") from error
    return int(math.prod(tensor.dims) * width)


def _read(file: Path, said: dict[str, str], wanted: int, what: str) -> bytes:
    try:
        offset, length = int(said.get("offset", "0")), int(said.get("length", str(wanted)))
    except ValueError as error:
        raise ExportError(f"{what} does not say where its data begin; export the model again") from error
    if offset < 0 or length != wanted:
        raise ExportError(f"{what} takes {wanted} bytes, its file is said to hold {length} from {offset} on")
    with open_regular(file, follow=False) as stream:
        stream.seek(min(offset, MAX_FILE_BYTES))
        data = stream.read(wanted)
    if len(data) < wanted:
        raise ExportError(f"{what} takes {wanted} bytes, {file.name} ends after {len(data)} of them")
    return data
