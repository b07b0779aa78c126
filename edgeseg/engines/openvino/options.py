"""Options of OpenVINO: what a build may be asked, and what a manifest says of a compiled model."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from edgeseg.engines.flags import flag
from edgeseg.records import Range, Ranged
from edgeseg.spec import THREADS

MOST_STREAMS = 256  # inferences side by side, each with buffers of its own

FloatType = Literal["f32", "f16", "bf16"]


@dataclass(frozen=True)
class BuildOptions(Ranged):
    """What a build may be asked.

    Attributes:
        hint: `latency` makes one inference fast; `throughput` runs several side by side, for many cameras.
        computes_in: what it may compute float layers in; None stands for float32 in fp32 and int8 engines,
            and in semantic fp16 engines for the processor's own half precision, float16 or bfloat16, if it
            has one.
    """

    hint: Literal["latency", "throughput"] = field(
        default="latency", metadata=flag("one inference fast (the default), or several side by side.")
    )
    computes_in: FloatType | None = field(
        default=None,
        metadata=flag("float layers of fp16 and int8 engines; in fp16 by default the processor's own half."),
    )


@dataclass(frozen=True)
class EngineOptions(Ranged):
    """What a manifest says of a compiled model, which opens without being compiled again.

    Attributes:
        threads: shared by all streams; 0 leaves their number to OpenVINO.
        streams: how many inferences may run side by side.
        pinned: whether each thread keeps to one core.
        inference_precision: what float layers may be computed in: left alone, OpenVINO takes bfloat16
            wherever the processor has it.
    """

    model_file: str = "model.blob"
    threads: Annotated[int, THREADS] = 0
    streams: Annotated[int, Range(1, MOST_STREAMS)] = 1
    pinned: bool = True
    inference_precision: FloatType = "f32"
