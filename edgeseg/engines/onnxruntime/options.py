"""Options of ONNX Runtime: what a build may be asked, and what a manifest says of a session."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from edgeseg.engines.facts import CPU
from edgeseg.records import Ranged
from edgeseg.spec import THREADS


@dataclass(frozen=True)
class BuildOptions:
    """Nothing but what every backend is asked."""


@dataclass(frozen=True)
class EngineOptions(Ranged):
    """What a manifest says of a session; its device picks the execution provider.

    Attributes:
        weights_file: of large networks, which ONNX Runtime maps: processes that run the engine share its
            memory. None where the weights are in the model's file.
        intra_op_threads: 0 leaves their number to ONNX Runtime.
        spinning: whether threads that wait for work turn in a loop, which takes their cores from all else.
        graph_optimization: `disabled` where the graph was saved optimised.
        left_over: nodes that the device did not take, by the execution provider that did; None where this
            ONNX Runtime does not tell.
    """

    model_file: str = "model.onnx"
    weights_file: str | None = None
    intra_op_threads: Annotated[int, THREADS] = 0
    execution_mode: Literal["sequential", "parallel"] = "sequential"
    spinning: bool = True
    graph_optimization: Literal["all", "disabled"] = "all"
    left_over: Mapping[str, tuple[str, ...]] | None = None

    def remarks(self, device: str) -> list[str]:
        """Say which nodes the device left to others; nothing of the processor, which takes all."""
        if device == CPU:
            return []
        if self.left_over is None:
            return ["which nodes run on the CPU is not known: ONNX Runtime tells from 1.24 on"]
        lines = []
        for provider, nodes in self.left_over.items():
            operators = Counter(node.split()[0] for node in nodes)
            counted = ", ".join(f"{name} ({count})" for name, count in operators.most_common())
            lines.append(f"{len(nodes)} nodes fell back to {provider}: {counted}")
        return lines or ["no node fell back to the CPU"]
