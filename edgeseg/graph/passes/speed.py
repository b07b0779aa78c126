"""Let a graph compute the same with less work, at the places that are told, or wherever it can."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection
from dataclasses import dataclass
from typing import ClassVar

import onnx_ir as ir

PLANES = 4  # dimensions of images (N, C, H, W)


@dataclass(frozen=True)
class Site:
    """A place that a pass can change.

    Attributes:
        name: of the value that the place computes, which keeps its name.
        nodes: all that are replaced, in the order of the graph.
    """

    name: str
    nodes: tuple[ir.Node, ...]


class SpeedPass(ir.passes.InPlacePass):
    """A pass that changes how values are computed, and not what they are, beyond rounding.

    Whether it is faster depends on the machine and the library: `build` times each place, and the whole.

    Attributes:
        title: what manifests and reports call it.
    """

    title: ClassVar[str]

    def __init__(self, sites: Collection[str] | None = None) -> None:
        """Take the names of the places to change; None stands for all."""
        super().__init__()
        self._wanted = sites

    @abstractmethod
    def sites(self, model: ir.Model) -> list[Site]:
        """List the places that the pass can change, no node in two of them; the types must be known."""

    @abstractmethod
    def rewrite(self, graph: ir.Graph, site: Site) -> None:
        """Change one place."""

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Change the places that are wanted."""
        chosen = [site for site in self.sites(model) if self._wanted is None or site.name in self._wanted]
        for site in chosen:
            self.rewrite(model.graph, site)
        return ir.passes.PassResult(model, bool(chosen))


def static_shape(value: ir.Value | None) -> tuple[int, ...] | None:
    """Give a value's shape, if all of its sizes are known."""
    if value is None or value.shape is None:
        return None
    sizes = [size for size in value.shape if isinstance(size, int)]
    return tuple(sizes) if len(sizes) == len(value.shape) else None


def size_of(images: ir.Value | None) -> tuple[int, int] | None:
    """Give height and width of images (N, C, H, W), if they are fixed."""
    if images is None or images.shape is None or len(images.shape) != PLANES:
        return None
    height, width = images.shape[-2:]
    return (height, width) if isinstance(height, int) and isinstance(width, int) else None
