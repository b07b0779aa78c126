"""Hold a portable model, of a file or in memory, as one object that knows all that is asked of it."""

from __future__ import annotations

import gc
import hashlib
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edgeseg.errors import ExportError, SpecError
from edgeseg.graph.content import Content
from edgeseg.graph.declared import refuse_hostile
from edgeseg.graph.golden.golden import Golden
from edgeseg.manifest import GOLDEN_KEY, SPEC_KEY
from edgeseg.nodes.table import NodeTable
from edgeseg.reading import reading, reason_of
from edgeseg.spec import ModelSpec

if TYPE_CHECKING:
    import onnx
    import onnx_ir as ir

    from edgeseg.graph.view import GraphView


class PortableModel:
    """A model as its file has it, or as a graph in memory; each fact is computed once, when it is asked for.

    Whoever needs a model takes this object and no path: what is hashed, proven and built is then the same.
    The graph must not be changed; passes change copies, which share the weights (`passes.sequence`).

    Attributes:
        name: what messages call the model, such as its path.
    """

    def __init__(
        self,
        name: str,
        *,
        content: Content | None = None,
        proto: onnx.ModelProto | None = None,
        model: ir.Model | None = None,
    ) -> None:
        self.name = name
        self._content = content
        self._proto = proto
        self._model = model
        self._view: GraphView | None = None

    @classmethod
    def read(cls, path: Path | PortableModel) -> PortableModel:
        """Read any ONNX file that is whole in itself, and not larger than the limits allow.

        Args:
            path: of the file; a model that was read before is given back as it is.

        Raises:
            ExportError: if the file cannot be read, is not ONNX, keeps data in other files, or says that
                tensors are huge.
        """
        if isinstance(path, PortableModel):
            return path
        with reading(path, ExportError, what="an ONNX file", fix="export it again"):
            content = Content.of_file(path)
            proto = _parsed(content, str(path))
            if not proto.graph.node:
                raise ExportError(f"{path} is not an ONNX file, or an empty one")
            refuse_hostile(proto, str(path))
        return cls(str(path), content=content, proto=proto)

    @classmethod
    def of(cls, model: ir.Model, name: str) -> PortableModel:
        """Take a graph in memory."""
        return cls(name, model=model)

    def to_bytes(self) -> bytes:
        """Give the model serialized: as its file has it, or with equal bytes for equal graphs."""
        if self._content is not None:
            return self._content.read()
        from edgeseg.graph.protos import to_bytes

        return to_bytes(self.model)

    def release(self) -> None:
        """Let go of the graph, so that engines are measured with their own weights alone in memory.

        All facts that were asked for stay, and `has_bodies` and `nodes`, which engines ask for while they are
        built. A graph that is asked for again is read from the same open file.
        """
        _ = self.has_bodies
        if self._model is not None:
            _ = self.nodes
        if self._content is None:
            self._content = Content.of_bytes(self.to_bytes(), self.name)
        self._proto = self._model = self._view = None
        gc.collect()  # a graph's nodes and values name each other, and their weights are parts of the message

    @property
    def proto(self) -> onnx.ModelProto:
        """Give the graph with its weights and its metadata as ONNX's own message: what is hashed."""
        if self._proto is None and self._content is not None:
            self._proto = _parsed(self._content, self.name)
        elif self._proto is None:
            from edgeseg.graph.protos import to_proto

            self._proto = to_proto(self.model)
        return self._proto

    @property
    def model(self) -> ir.Model:
        """Give the graph, its types inferred where it comes from a file.

        Raises:
            ExportError: if the graph is none, or its types cannot be inferred.
        """
        if self._model is None:
            from edgeseg.graph.passes.types import InferTypes
            from edgeseg.graph.protos import from_proto

            self._model = InferTypes()(from_proto(self.proto, self.name)).model
        return self._model

    @property
    def view(self) -> GraphView:
        """Look at the graph as precision does.

        Raises:
            ExportError: as `model` and `spec`.
        """
        if self._view is None:
            from edgeseg.graph.view import GraphView

            self._view = GraphView(self.model, self.spec.graph.float32_modules)
        return self._view

    @cached_property
    def has_bodies(self) -> bool:
        """Tell whether nodes hold graphs of their own, as loops and branches do."""
        if self._model is None:
            return any(
                attribute.HasField("g") or attribute.graphs
                for node in self.proto.graph.node
                for attribute in node.attribute
            )
        from edgeseg.graph.view import subgraphs

        return any(True for node in self._model.graph for _ in subgraphs(node))

    @cached_property
    def nodes(self) -> NodeTable:
        """Say what each node is: its module, and how much it computes and moves.

        Raises:
            ExportError: as `model`.
        """
        from edgeseg.graph.node_table import node_table
        from edgeseg.graph.passes.sequence import changed
        from edgeseg.graph.passes.types import InferTypes

        # passes leave what they put in without types, and other precisions change types that were inferred
        is_inferred = self._content is not None
        return node_table(self.model if is_inferred else changed(self.model, InferTypes()).model)

    @cached_property
    def metadata(self) -> Mapping[str, str]:
        """Give the metadata: the spec, what the export proved, and what it computed."""
        if self._model is not None:
            return self._model.metadata_props
        return metadata_of(self.proto)

    @cached_property
    def sha256(self) -> str:
        """Hash the serialized model."""
        if self._content is not None:
            return self._content.sha256()
        return hashlib.sha256(self.to_bytes()).hexdigest()

    @cached_property
    def spec(self) -> ModelSpec:
        """Read the spec in the metadata.

        Raises:
            ExportError: if the file was not made by `edgeseg export`.
        """
        text = self.metadata.get(SPEC_KEY)
        if text is None:
            raise ExportError(
                f"{self.name} was not made by edgeseg; make one of it: edgeseg export {self.name} "
                "-o MODEL.onnx"
            )
        try:
            return ModelSpec.from_json(text)
        except SpecError as error:
            raise ExportError(f"{self.name}: {error}") from error

    @cached_property
    def golden(self) -> Golden:
        """Read the golden outputs in the metadata.

        Raises:
            ExportError: if there are none, or they are damaged.
        """
        text = self.metadata.get(GOLDEN_KEY)
        if text is None:
            raise ExportError(f"{self.name} has no golden outputs; export it again")
        try:
            return Golden.from_json(text)
        except SpecError as error:
            raise ExportError(f"{self.name}: {error}") from error

    @cached_property
    def graph_sha256(self) -> str:
        """Hash the graph; see the function of this name."""
        return graph_sha256(self.proto)


def _parsed(content: Content, name: str) -> onnx.ModelProto:
    import onnx

    data = content.read()
    try:
        return onnx.load_model_from_string(data)
    except Exception as error:  # whatever protobuf and onnx make of bytes that happen to parse
        raise ExportError(f"{name} is not an ONNX file, or a broken one") from error


def metadata_of(model: onnx.ModelProto) -> dict[str, str]:
    """Give the model's metadata as a dictionary."""
    return {entry.key: entry.value for entry in model.metadata_props}


def graph_sha256(model: onnx.ModelProto) -> str:
    """Hash what a graph computes and what is said of it: nodes, weights, inputs, outputs, spec.

    Raises:
        ExportError: if the weights are damaged beyond reading.
    """
    from onnx import ModelProto, numpy_helper

    bare = ModelProto()
    bare.opset_import.extend(model.opset_import)
    bare.functions.extend(model.functions)
    bare.graph.node.extend(model.graph.node)
    bare.graph.input.extend(model.graph.input)
    bare.graph.output.extend(model.graph.output)
    digest = hashlib.sha256(bare.SerializeToString(deterministic=True))
    try:
        for tensor in sorted(model.graph.initializer, key=lambda tensor: tensor.name):
            array = np.ascontiguousarray(numpy_helper.to_array(tensor))
            digest.update(f"{tensor.name} {array.dtype.str} {array.shape}\n".encode())
            digest.update(array.tobytes())
    except Exception as error:  # bytes that happen to parse make onnx raise anything
        raise ExportError(
            f"the weights cannot be read ({reason_of(error)}); export the model again"
        ) from error
    digest.update(metadata_of(model).get(SPEC_KEY, "").encode())
    return digest.hexdigest()
