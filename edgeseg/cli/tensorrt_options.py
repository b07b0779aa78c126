"""The flags of `edgeseg build` that only TensorRT and TensorRT for RTX have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from edgeseg.cli.options import COUNT, PATH

_HIGHEST_LEVEL = 5
_FLAGS = (
    click.option("--workspace", "workspace_mib", type=COUNT, help="TensorRT: memory for kernels, in MiB."),
    click.option(
        "--optimization-level",
        type=click.IntRange(0, _HIGHEST_LEVEL),
        help="TensorRT: 0 builds fast, 5 searches longest.",
    ),
    click.option(
        "--timing-cache",
        type=PATH,
        help="TensorRT: file of measured kernels, read and written; builds faster.",
    ),
    click.option("--version-compatible", is_flag=True, help="TensorRT: opens in other minor versions too."),
    click.option("--hardware-compatible", is_flag=True, help="TensorRT: runs on any GPU from Ampere on."),
    click.option(
        "--dla-core",
        type=click.IntRange(0, 15),
        help="TensorRT: run on this DLA, and on the GPU what it refuses.",
    ),
    click.option(
        "--compute-capability",
        "compute_capabilities",
        multiple=True,
        metavar="X.Y",
        help="TensorRT for RTX: a GPU to build for, such as 8.6; may repeat. All by default.",
    ),
    click.option("--contexts", type=COUNT, default=1, help="TensorRT: inferences that may run side by side."),
)


def tensorrt_flags(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the flags to a command."""
    for flag in reversed(_FLAGS):
        command = flag(command)
    return command
