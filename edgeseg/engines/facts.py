"""What a backend says of itself, from which flags, doctor, pre-flight and `auto` follow."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Literal

from edgeseg.spec import Int8Scheme, Lowering, Precision

CPU = "cpu"
"""The device that stands for this processor, in every backend that runs on it."""

ElementType = Literal["int32", "uint16", "double", "string", "complex64"]
"""ONNX's name of a tensor's type, in small letters; those that a rule is about."""


@dataclass(frozen=True)
class GraphRules:
    """What a backend refuses of an ONNX graph. A text says what is wrong and, after a semicolon, what to do.

    Attributes:
        only: operators that it has, where it has few; empty where it has nearly all.
        operators: refused wherever they stand. Where a backend does not take the `onnx` lowering, what to do
            about the operators of that lowering is known without being said.
        inputs: refused as an operator's first input, by operator and type.
        outputs: types that no node may give.
        standard_operators_only: refuses operators of other domains than ONNX's own.
        fixed_shapes: refuses inputs whose sizes are not fixed.
        single_pictures: refuses inputs of more than one picture, or of others than cameras give.
    """

    only: Collection[str] = ()
    operators: Mapping[str, str] = field(default_factory=dict)
    inputs: Mapping[tuple[str, ElementType], str] = field(default_factory=dict)
    outputs: Mapping[ElementType, str] = field(default_factory=dict)
    standard_operators_only: bool = False
    fixed_shapes: bool = False
    single_pictures: bool = False


@dataclass(frozen=True)
class Facts:
    """What a backend says of itself.

    Attributes:
        title: its makers' name for it.
        extra: of edgeseg, that installs it.
        modules: that it needs, as they are imported; the first is the library itself. None where the
            library is no module of Python's.
        purpose: what edgeseg does with it, for `edgeseg doctor`; by default the title.
        devices: where its engines run, in the words of `--device`; the first is the default. One that names
            CPU is measured by `--backend auto`.
        precisions: that it computes.
        lowerings: that it takes of detectors; none where it takes no detectors. One that takes `onnx` alone
            computes something else from the other.
        int8: the form that each device computes int8 in.
        no_int8: why a device has no int8 and, after a semicolon, what to do.
        rules: what it refuses of a graph.
        passes: that may make its graphs faster, by their titles, in the order in which they are tried; each
            build measures which of them do.
        lacks: why it has no such option as another backend has, by the option's name.
    """

    title: str
    extra: str
    modules: tuple[str, ...]
    devices: tuple[str, ...]
    purpose: str = ""
    precisions: tuple[Precision, ...] = ("fp32", "fp16", "int8")
    lowerings: tuple[Lowering, ...] = ("onnx", "dense")
    int8: Mapping[str, Int8Scheme] = field(default_factory=dict)
    no_int8: Mapping[str, str] = field(default_factory=dict)
    rules: GraphRules = GraphRules()
    passes: tuple[str, ...] = ()
    lacks: Mapping[str, str] = field(default_factory=dict)
