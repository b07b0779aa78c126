"""What the toy is to edgeseg."""

from __future__ import annotations

from edgeseg.engines.facts import CPU, Facts, GraphRules

FACTS = Facts(
    title="Toy",
    extra="toy",
    modules=("toy_library",),
    devices=(CPU, "shelf"),
    precisions=("fp32",),
    lowerings=("dense",),
    rules=GraphRules(operators={"Erf": "has no toy; use Tanh"}),
)
