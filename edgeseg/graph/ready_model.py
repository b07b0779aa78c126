"""Read an ONNX graph that somebody else exported: its weights, and what its one input takes."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from edgeseg.errors import ExportError, name_a_few, shown
from edgeseg.graph.content import Content
from edgeseg.graph.declared import nodes_of, refuse_hostile
from edgeseg.graph.external_data import load_external_data
from edgeseg.manifest import SPEC_KEY
from edgeseg.reading import hash_of, open_regular, reading

if TYPE_CHECKING:
    import onnx

Layout = Literal["NCHW", "NHWC", "CHW", "HWC"]
STANDARD = ("", "ai.onnx")  # domains of operators that every backend may know
CHANNELS = range(1, 17)  # of an image
TYPES = {"FLOAT": "float32", "FLOAT16": "float16", "DOUBLE": "float64", "UINT8": "uint8"}  # of an image
BY_RANK = {4: ("NCHW", "NHWC"), 3: ("CHW", "HWC")}


@dataclass(frozen=True)
class GraphInput:
    """The image that a graph takes.

    Attributes:
        dtype: `float32`, `float16`, `float64` or `uint8`.
        layout: the order of its axes.
        sizes: of its axes; None where any will do.
        cast_at_once: whether all that reads bytes turns them into floats, so that floats will do as well.
    """

    name: str
    dtype: str
    layout: Layout
    sizes: tuple[int | None, ...]
    cast_at_once: bool = False

    def along(self, axis: str) -> int | None:
        """Give the size along N, C, H or W; None where any will do, or there is no such axis."""
        return self.sizes[self.layout.index(axis)] if axis in self.layout else None

    @property
    def size_hw(self) -> tuple[int, int] | None:
        """Height and width, if the graph takes no others."""
        height, width = self.along("H"), self.along("W")
        return None if height is None or width is None else (height, width)

    def shape(self, batch: int, channels: int, size_hw: tuple[int, int]) -> tuple[int, ...]:
        """Give the shape of such an image."""
        sizes = {"N": batch, "C": channels, "H": size_hw[0], "W": size_hw[1]}
        return tuple(sizes[axis] for axis in self.layout)


@dataclass(frozen=True)
class ReadyModel:
    """A graph as its file has it, the data of other files included.

    Attributes:
        proto: not to be changed.
        sha256: of the file; where there are others beside it, of the hashes of all.
    """

    path: Path
    proto: onnx.ModelProto
    sha256: str
    input: GraphInput

    @property
    def output_names(self) -> tuple[str, ...]:
        """Names of all outputs, in order."""
        return tuple(output.name for output in self.proto.graph.output)

    @property
    def opset(self) -> int:
        """Version of ONNX's own operators."""
        return opset_of(self.proto)


def read_ready(path: Path) -> ReadyModel:
    """Read any `.onnx` file, with the data in other files of its folder.

    Raises:
        ExportError: if it cannot be read, is edgeseg's own, names files elsewhere, says that tensors are
            huge, uses operators that are not ONNX's own, or takes anything but one image.
    """
    from onnx import load_model_from_string

    with reading(path, ExportError, what="an ONNX file", fix="export it again"):
        content = Content.of_file(path)
        proto = load_model_from_string(content.read())
        if not proto.graph.node:
            raise ExportError(f"{path} is not an ONNX file, or an empty one")
        if any(entry.key == SPEC_KEY for entry in proto.metadata_props):
            raise ExportError(
                f"{path} is edgeseg's own portable model: build it, edgeseg build {path} -o ENGINE"
            )
        files = load_external_data(proto, path)
        refuse_hostile(proto, str(path))
        hashes = [content.sha256()]
        for file in files:
            with open_regular(file, follow=False) as stream:
                hashes.append(hash_of(stream))
    _refuse_foreign_operators(proto, path)
    digest = hashes[0] if len(hashes) == 1 else hashlib.sha256("".join(hashes).encode()).hexdigest()
    return ReadyModel(path, proto, digest, image_input(proto, str(path)))


def opset_of(proto: onnx.ModelProto) -> int:
    """Give the version of ONNX's own operators that a graph uses."""
    return next((entry.version for entry in proto.opset_import if entry.domain in STANDARD), 1)


def image_input(proto: onnx.ModelProto, name: str) -> GraphInput:
    """Find the one image that a graph takes; inputs that have a weight as their default do not count.

    Args:
        name: of the file, for messages.

    Raises:
        ExportError: if there is none, or more than it.
    """
    from onnx import TensorProto

    weights = {tensor.name for tensor in proto.graph.initializer}
    inputs = [value for value in proto.graph.input if value.name not in weights]
    if len(inputs) != 1:
        listed = name_a_few([value.name for value in inputs]) or "none"
        raise ExportError(
            f"{name} has {len(inputs)} inputs ({listed}), but a camera gives one image: export it with the "
            "image alone, the others as constants"
        )
    kind = inputs[0].type.tensor_type
    type_name = TensorProto.DataType.Name(kind.elem_type)
    sizes = tuple(side.dim_value if side.dim_value > 0 else None for side in kind.shape.dim)
    what = f"{name}: the input {shown(inputs[0].name)}"
    if type_name not in TYPES:
        raise ExportError(f"{what} is of {type_name.lower()}, an image is of {', '.join(TYPES.values())}")
    readers = [node.op_type for node in nodes_of(proto) if inputs[0].name in node.input]
    cast = type_name == "UINT8" and set(readers) == {"Cast"}
    return GraphInput(inputs[0].name, TYPES[type_name], _layout(sizes, what), sizes, cast)


def _layout(sizes: Sequence[int | None], what: str) -> Layout:
    """Tell where the channels are: where a size says so, else first."""
    if len(sizes) not in BY_RANK:
        raise ExportError(f"{what} has {len(sizes)} axes, an image (N, C, H, W) or (N, H, W, C) has 4")
    first, last = BY_RANK[len(sizes)]
    likely = {layout: sizes[layout.index("C")] in CHANNELS for layout in (first, last)}
    if likely[first] != likely[last]:
        return first if likely[first] else last  # type: ignore[return-value]
    if None not in (sizes[first.index("C")], sizes[last.index("C")]) and not any(likely.values()):
        raise ExportError(f"{what} is {tuple(sizes)}: neither axis is one of 1 to {CHANNELS[-1]} channels")
    return first  # type: ignore[return-value]


def _refuse_foreign_operators(proto: onnx.ModelProto, path: Path) -> None:
    own = {(function.domain, function.name) for function in proto.functions}
    foreign = {
        f"{node.domain}::{node.op_type}": None
        for node in nodes_of(proto)
        if node.domain not in STANDARD and (node.domain, node.op_type) not in own
    }
    if foreign:
        raise ExportError(
            f"{path} uses operators that are not ONNX's own: {name_a_few(list(foreign))}; export it again "
            "without plugins and without optimising it for one runtime"
        )
