"""What TensorRT for RTX is to edgeseg."""

from __future__ import annotations

from edgeseg.engines.facts import Facts
from edgeseg.engines.tensorrt.facts import GPU, RULES

_ANYWHERE = "engines of TensorRT for RTX fit any GPU of their --compute-capability"
_NEITHER = "TensorRT for RTX has neither a timing cache at build nor DLA"

FACTS = Facts(
    title="TensorRT for RTX",
    extra="tensorrt-rtx",
    modules=("tensorrt_rtx",),
    devices=(GPU,),
    lowerings=("dense",),
    int8={GPU: "symmetric"},
    rules=RULES,
    lacks={
        "version_compatible": _ANYWHERE,
        "hardware_compatible": _ANYWHERE,
        "timing_cache": _NEITHER,
        "dla_core": _NEITHER,
    },
)
