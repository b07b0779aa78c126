"""What ncnn is to edgeseg."""

from __future__ import annotations

from edgeseg.engines.facts import CPU, Facts, GraphRules
from edgeseg.engines.ncnn.taken import OPERATORS

FACTS = Facts(
    title="ncnn",
    extra="ncnn",
    modules=("ncnn",),
    purpose="run, build: ncnn engines",
    devices=(CPU,),
    precisions=("fp32",),
    lowerings=(),  # it has no layers for what a detector does between its parts
    rules=GraphRules(only=OPERATORS, fixed_shapes=True),
)
