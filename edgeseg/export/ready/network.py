"""A network that comes as a graph: run as it came, and traced as one node that the graph replaces later."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import onnx
import torch
from torch import Tensor, nn

from edgeseg.errors import ExportError
from edgeseg.graph.passes.placing import DOMAIN, OPERATOR
from edgeseg.graph.ready_model import GraphInput
from edgeseg.models.network_outputs import Output, is_channels_last, outputs_of
from edgeseg.reading import reason_of

RunReady = Callable[[Tensor], Any]
"""Runs a file as it came on an image of its own layout and type; gives what `outputs_of` takes apart."""
MakeGraph = Callable[[tuple[int, ...]], onnx.ModelProto]
"""Gives the graph for one shape of its image, in any opset; its outputs are those of the file, in order."""

WHITE = 255


@dataclass(frozen=True)
class Ready:
    """What a file holds.

    Attributes:
        input: the image that it takes.
        run: the truth that graphs are proven against.
        make_graph: the graph of it.
        reference: what runs the truth, as a proof says it: `the graph as it came, in ONNX Runtime`.
        proto: the graph that is run, if the file is ONNX: as it came, or widened to float32.
        run_half: runs the graph as it came, if that is in half precision, on the image of the wider one.
    """

    input: GraphInput
    run: RunReady
    make_graph: MakeGraph
    reference: str
    proto: onnx.ModelProto | None = None
    run_half: RunReady | None = None


class ReadyNetwork(nn.Module):
    """Normalised image (N, C, H, W) to the outputs of a file.

    Args:
        gives_maps: of the image, whose channels then come first, whatever the file's own order.

    Attributes:
        ready: what the file holds.
    """

    def __init__(self, ready: Ready, *, gives_maps: bool = True) -> None:
        super().__init__()
        self.ready = ready
        self._gives_maps = gives_maps
        self._seen: list[Output] = []

    def forward(self, image: Tensor) -> Any:
        """Run the file, or record that it runs here while a program is traced."""
        prepared = self.prepare(image)
        output = self._stand_in(prepared) if torch.compiler.is_exporting() else self._run(prepared)
        return self._channels_first(output, (image.shape[-2], image.shape[-1]))

    def _channels_first(self, output: Any, size_hw: tuple[int, int]) -> Any:
        """Bring maps (N, h, w, C), as TensorFlow's graphs give them, to (N, C, h, w)."""
        if not self._gives_maps:
            return output
        if isinstance(output, Mapping):
            return {key: self._channels_first(value, size_hw) for key, value in output.items()}
        image_last = self.ready.input.layout.endswith("C")
        if isinstance(output, Tensor) and is_channels_last(output, size_hw, where_both_fit=image_last):
            return output.movedim(-1, 1)
        return output

    def image_shape(self, batch: int, channels: int, size_hw: tuple[int, int]) -> tuple[int, ...]:
        """Give the shape of an image in the file's own layout."""
        return self.ready.input.shape(batch, channels, size_hw)

    def prepare(self, image: Tensor) -> Tensor:
        """Bring a float32 (N, C, H, W) to the layout and type that the file wants."""
        layout, dtype = self.ready.input.layout, self.ready.input.dtype
        if "N" not in layout:
            if image.shape[0] != 1:
                raise ExportError("the file takes one image without a batch's axis: leave --batch out")
            image = image.squeeze(0)
        if layout in ("NHWC", "HWC"):
            image = image.movedim(-3, -1)
        if self.ready.input.cast_at_once and torch.compiler.is_exporting():
            return image  # whole numbers already, and no device computes with bytes gladly
        if dtype == "uint8":
            return image.round().clamp(0, WHITE).to(torch.uint8)
        return image.to(getattr(torch, dtype))

    def _run(self, prepared: Tensor) -> Any:
        try:
            output = self.ready.run(prepared)
        except ExportError:
            raise
        except Exception as error:  # whatever the library makes of somebody else's graph
            raise ExportError(f"{self.ready.reference}, fails: {reason_of(error)}") from error
        self._seen = outputs_of(output)
        return output

    def _stand_in(self, prepared: Tensor) -> Any:
        """Give for each output a node that stands for it, of the shape and type that it had last."""
        nodes = {
            output.key: torch.onnx.ops.symbolic(
                f"{DOMAIN}::{OPERATOR}",
                (prepared,),
                {"output": number},
                dtype=output.tensor.dtype,
                shape=output.tensor.shape,
                version=1,
            )
            for number, output in enumerate(self._seen)
        }
        return nodes.get("", nodes)
