"""Turn a program into its whole graph: traced, a ready graph put in its place, tidied."""

from __future__ import annotations

import onnx_ir as ir
import torch
from torch import nn

from edgeseg.export.program import InstanceProgram, ProbedProgram, Program
from edgeseg.export.ready.detections import RawDetector, ReadyDetector
from edgeseg.export.ready.network import ReadyNetwork
from edgeseg.export.ready.placing import placed
from edgeseg.export.settings import Settings
from edgeseg.export.specification import describe_input
from edgeseg.export.tracing import run_eagerly, trace
from edgeseg.graph.detections import DetectionOutputs
from edgeseg.graph.passes.outputs import KeepOutputs
from edgeseg.graph.passes.padding_taps import DropPaddingTaps
from edgeseg.graph.passes.tidying import Tidy
from edgeseg.models.network import Network


def graph_of(program: Program, network: Network, settings: Settings) -> ir.Model:
    """Trace a program; a detector's graph names the intermediate values, which stay inside it.

    A graph that came ready takes its place in the traced one.

    Raises:
        ExportError: as `trace` and `placed`.
    """
    names = traced_names = program.output_names
    taken = describe_input(network, settings)
    shape = (taken.batch, taken.height, taken.width, taken.channels)
    example = torch.zeros(shape, dtype=getattr(torch, taken.dtype))
    layout: DetectionOutputs | None = None
    module: nn.Module = program
    if isinstance(program, InstanceProgram):
        module = probed = ProbedProgram(program.preprocessing, program.network).eval()
        traced_names = probed.all_names
    elif isinstance(program, ReadyDetector):
        layout, module = program.layout, RawDetector(program).eval()
        traced_names = tuple(f"raw.{index}" for index in range(len(run_eagerly(module, example))))
    traced = trace(module, example, traced_names, settings.lowering)
    if isinstance(ready := network.module, ReadyNetwork):
        channels = 1 if network.channel_order == "grey" else taken.channels
        image_shape = ready.image_shape(settings.batch, channels, settings.size_hw)
        traced = placed(traced, ready, image_shape, layout)
    return DropPaddingTaps()(KeepOutputs(names)(Tidy()(traced))).model
