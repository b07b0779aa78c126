"""Time PyTorch on what is exported, from pixels to labels: eager and compiled, with CUDA graphs and without.

    python -m benchmarks.gpu_steps.torch_timing NETWORK --batch N [--precision fp16] [--device cuda]

Each run begins with a batch in page-locked host memory and ends with the outputs there, as an engine's does.
fp16 is autocast's. Weights lie `channels_last`, and cuDNN chooses its algorithms by measuring.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.gpu_steps.preparing import described
from benchmarks.gpu_steps.timing import timed
from edgeseg.export.program import open_program
from edgeseg.scenes.pictures import picture

GRAPH_WARMUPS = 3  # before a CUDA graph is captured, as PyTorch's documentation asks
Forward = Callable[[Tensor], tuple[Tensor, ...]]


def main() -> None:
    """Print a line of JSON after each way to run."""
    arguments = parser().parse_args()
    time_network(arguments.network, arguments.batch, arguments.precision, arguments.device)


def parser() -> argparse.ArgumentParser:
    """Give the parser of the command line."""
    made = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    made.add_argument("network")
    made.add_argument("--batch", type=int, default=1)
    made.add_argument("--precision", choices=("fp32", "fp16"), default="fp16")
    made.add_argument("--device", default="cuda")
    return made


def time_network(network: str, batch: int, precision: str, device: str, **limits: float) -> None:
    """Time each way and print; one that fails is told, and the next begins."""
    torch.backends.cudnn.benchmark = True
    made, settings = described(network, batch)
    pictures = np.stack([picture(seed, settings.size_hw) for seed in range(batch)])
    with torch.inference_mode(), open_program(made, settings) as program:
        program.to(device=device, memory_format=torch.channels_last)
        host = torch.from_numpy(pictures)
        host = host.pin_memory() if device == "cuda" else host
        half = torch.autocast(device, torch.float16) if precision == "fp16" else nullcontext()
        with half:
            for name, make in WAYS.items():
                if "graph" in name and device != "cuda":
                    continue
                figures: Any
                try:
                    forward = make(program, host.to(device))
                    figures = timed(_there_and_back(forward, host, device), batch, **limits)
                except (RuntimeError, ValueError, TypeError) as error:
                    figures = next(iter(str(error).strip().splitlines()), type(error).__name__)
                print(json.dumps({f"torch {name}": figures}), flush=True)
                torch.compiler.reset()


def _there_and_back(forward: Forward, host: Tensor, device: str) -> Callable[[], list[Tensor]]:
    def run() -> list[Tensor]:
        outputs = forward(host.to(device, non_blocking=True))
        return [output.to("cpu") for output in outputs]  # which waits

    return run


def _eager(program: nn.Module, example: Tensor) -> Forward:
    return program


def _compiled(program: nn.Module, example: Tensor) -> Forward:
    return torch.compile(program)


def _compiled_with_graphs(program: nn.Module, example: Tensor) -> Forward:
    return torch.compile(program, mode="reduce-overhead")


def _eager_graph(program: nn.Module, example: Tensor) -> Forward:
    """Capture the eager program as a CUDA graph, which later runs replay on the same memory."""
    taken = example.clone()
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(GRAPH_WARMUPS):
            program(taken)
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        given = program(taken)

    def replay(image: Tensor) -> tuple[Tensor, ...]:
        taken.copy_(image, non_blocking=True)
        graph.replay()
        return tuple(given)

    return replay


WAYS = {
    "eager": _eager,
    "eager, graph": _eager_graph,
    "compile": _compiled,
    "compile, graph": _compiled_with_graphs,
}

if __name__ == "__main__":
    main()
