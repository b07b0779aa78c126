"""The steps of the GPU's benchmark, in the order of what they are worth."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.gpu_steps.places import KINDS, engine_of, model_of
from benchmarks.gpu_steps.running import Step

MAIN = "deeplabv3_mobilenet_v3_large"
OTHERS = ("unet", "deeplabv3_resnet50")
DETECTOR = "maskrcnn_resnet50_fpn"
DEMO = ("demo_unet", "demo_deeplab", "demo_maskrcnn")
PRECISIONS = ("fp16", "fp32", "int8")
BATCHES = (1, 8)
RTX_TESTS = ("tests/engines/tensorrt_rtx", "tests/engines/tensorrt")
ORT_TESTS = ("tests/engines/building/test_build.py", "tests/engines/onnxruntime")
PREPARATION_LIMIT_S = 900.0  # a step where nobody waits for a GPU
EDGESEG = (sys.executable, "-m", "edgeseg")

Capabilities = tuple[str, ...]


def plan(folder: Path, capabilities: Capabilities = (), *, first: str = "rtx") -> list[Step]:
    """Give the steps of a run on a GPU: the main question of each kind first, further networks last.

    Args:
        folder: with what was prepared; what is not there is made in it.
        capabilities: of the GPUs that engines of TensorRT for RTX are built for; none stands for all.
        first: the kind of engine that most is asked of; see `KINDS`. Of GPUs that TensorRT for RTX does not
            know, another.
    """
    work = _Work(folder, capabilities)
    steps = [
        _module("machine", "the machine", 40),
        *work.proven(DEMO[0], first, "fp16"),
        *([_tests("tests for TensorRT for RTX", RTX_TESTS, 110)] if first == "rtx" else []),
    ]
    for batch in BATCHES:
        steps += work.compared(MAIN, batch, first)
    steps += [
        work.profiled(MAIN, 1, first, "fp16"),
        *work.timed(MAIN, 1, "ort-cuda", "fp16"),
        *work.timed(MAIN, 1, "trt", "fp16"),
        *work.proven(DEMO[2], first, "fp16"),
        *work.timed(MAIN, 1, "ort-tensorrt", "fp16"),
        *work.timed(MAIN, 8, "ort-cuda", "fp16"),
        *work.proven(DEMO[0], first, "fp16", batch=8),
        work.profiled(MAIN, 8, first, "fp16"),
        *work.timed(MAIN, 8, "trt", "fp16"),
        *work.timed(MAIN, 8, "ort-tensorrt", "fp16"),
        *work.proven(DEMO[0], "ort-cuda", "fp32"),
        *work.proven(DEMO[0], "ort-tensorrt", "fp32"),
    ]
    for precision in PRECISIONS:
        for network in DEMO:
            steps += work.proven(network, first, precision)
    steps.append(_tests("tests for ONNX Runtime", ORT_TESTS, 90))
    for network in (*OTHERS, DETECTOR):
        steps += work.compared(network, 1, first)
    for network in OTHERS:
        steps += work.compared(network, 8, first)
    return _once(steps)


def preparation(folder: Path, capabilities: Capabilities = (), *, first: str = "rtx") -> list[Step]:
    """Give the steps of a run that need no GPU: their models and engines travel."""
    steps = (step for step in plan(folder, capabilities, first=first) if step.anywhere)
    return [replace(step, limit_s=PREPARATION_LIMIT_S) for step in steps]


@dataclass(frozen=True)
class _Work:
    folder: Path
    capabilities: Capabilities

    def proven(self, network: str, kind: str, precision: str, batch: int = 1) -> list[Step]:
        """Make an engine of trained weights, and verify it."""
        engine = engine_of(self.folder, network, batch, kind, precision)
        command = (*EDGESEG, "verify", str(engine))
        verify = Step(f"verify {network} b{batch} {kind}-{precision}", command, 45, needs=(engine,))
        return [*self._made(network, batch, kind, precision), verify]

    def timed(self, network: str, batch: int, kind: str, precision: str) -> list[Step]:
        """Make an engine, and time it."""
        engine = engine_of(self.folder, network, batch, kind, precision)
        name = f"{network} b{batch} {kind}-{precision}"
        timing = _module("engine_timing", name, 40, str(engine), needs=(engine,))
        return [*self._made(network, batch, kind, precision), timing]

    def compared(self, network: str, batch: int, kind: str) -> list[Step]:
        """Time an engine, and PyTorch on the same network."""
        name = f"{network} b{batch} torch-fp16"
        torch = _module("torch_timing", name, 75, network, "--batch", str(batch), "--precision", "fp16")
        return [*self.timed(network, batch, kind, "fp16"), torch]

    def profiled(self, network: str, batch: int, kind: str, precision: str) -> Step:
        """Profile an engine as a user does; the report lies beside it."""
        engine = engine_of(self.folder, network, batch, kind, precision)
        report = engine.with_name(f"{engine.name}-profile.json")
        command = (*EDGESEG, "profile", str(engine), "--seconds", "5", "--json", str(report))
        return Step(f"profile {network} b{batch} {kind}-{precision}", command, 45, needs=(engine,))

    def _made(self, network: str, batch: int, kind: str, precision: str) -> list[Step]:
        """Export the model, and build an engine of it."""
        model = model_of(self.folder, network, batch)
        name, asked = f"export {network} b{batch}", (str(self.folder), network, "--batch", str(batch))
        exported = _module("preparing", name, 60, *asked, makes=model, anywhere=True)
        restricted = [word for each in self.capabilities for word in ("--compute-capability", each)]
        arguments = (str(self.folder), network, kind, precision, "--batch", str(batch), *restricted)
        engine = engine_of(self.folder, network, batch, kind, precision)
        name = f"make {network} b{batch} {kind}-{precision}"
        about: dict[str, Any] = {"needs": (model,), "makes": engine, "anywhere": KINDS[kind].anywhere}
        return [exported, _module("preparing", name, 90, *arguments, **about)]


def _tests(name: str, paths: tuple[str, ...], limit_s: float) -> Step:
    options = ("-m", "gpu", "-q", "-p", "no:cacheprovider", "-p", "no:randomly", "-rA")
    return Step(name, (sys.executable, "-m", "pytest", *options, *paths), limit_s)


def _module(module: str, name: str, limit_s: float, *arguments: str, **about: Any) -> Step:
    command = (sys.executable, "-m", f"benchmarks.gpu_steps.{module}", *arguments)
    return Step(name, command, limit_s, **about)


def _once(steps: list[Step]) -> list[Step]:
    """Leave out steps that came already."""
    first: dict[str, Step] = {}
    for step in steps:
        first.setdefault(step.name, step)
    return list(first.values())
