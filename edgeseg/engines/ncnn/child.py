"""What runs in the process of an ncnn engine: it loads a network and answers images, one after another."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeseg.engines.apart import serving
from edgeseg.engines.apart.serving import PrintedError, Run
from edgeseg.frames.upsample import argmax_labels

INPUT_BLOB = "image"
OTHER_TYPES = ("fp16_packed", "fp16_storage", "fp16_arithmetic", "bf16_packed", "bf16_storage")
"""Options by which ncnn would compute, or keep what it computes, in fewer bits than float32."""


@dataclass(frozen=True)
class Load:
    """What to load.

    Attributes:
        model, weights: paths of the files.
        outputs: names of the blobs to give, in this order.
        labels: those of them whose best channel is wanted.
        threads: that an inference uses.
        spinning: whether they keep their cores busy while they wait.
    """

    model: str
    weights: str
    outputs: Sequence[str]
    labels: Sequence[str]
    threads: int
    spinning: bool = False


@dataclass(frozen=True)
class Loaded:
    """What was loaded by: the library's version."""

    version: str


def serve() -> None:
    """Answer the parent; ends the process."""
    serving.serve(load)


def load(order: Load) -> tuple[Run, Loaded]:
    """Load a network; returns what runs it, and what it is."""
    net = opened(order)
    import ncnn

    def run(image: NDArray[Any]) -> list[NDArray[Any]]:
        found = [_one(net, planes(one), order) for one in image]
        return [np.stack(values) for values in zip(*found, strict=True)]

    return run, Loaded(ncnn.__version__)


def opened(order: Load) -> Any:
    """Open the files as an `ncnn.Net` that computes in float32. Raises PrintedError."""
    if not order.spinning:
        os.environ["OMP_WAIT_POLICY"] = "passive"  # read once, when the library is loaded
    import ncnn

    net = ncnn.Net()
    net.opt.num_threads = order.threads
    net.opt.use_vulkan_compute = False
    for name in OTHER_TYPES:
        if hasattr(net.opt, f"use_{name}"):  # some are of newer versions
            setattr(net.opt, f"use_{name}", False)
    if net.load_param(order.model) != 0 or net.load_model(order.weights) != 0:
        raise PrintedError("it cannot load the model")
    return net


def planes(image: NDArray[Any]) -> Any:
    """Turn (H, W, C) of any type into an `ncnn.Mat` of float32 (C, H, W), laid out as ncnn wants it."""
    import ncnn

    values = np.ascontiguousarray(image.transpose(2, 0, 1), np.float32)
    return ncnn.Mat(values).clone()  # a `Mat` of an array does not keep that alive


def _one(net: Any, image: Any, order: Load) -> list[NDArray[Any]]:
    """Run one image."""
    with net.create_extractor() as extractor:
        extractor.input(INPUT_BLOB, image)
        outputs = []
        for name in order.outputs:
            status, values = extractor.extract(name)
            if status != 0 or values.empty():
                raise PrintedError(f"it cannot compute {name}")
            scores = np.array(values)  # (C, h, w)
            outputs.append(argmax_labels(scores) if name in order.labels else scores)
        return outputs
