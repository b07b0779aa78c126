"""What a browser is to edgeseg."""

from __future__ import annotations

from edgeseg.engines.facts import Facts, GraphRules

BROWSER = "browser"

FACTS = Facts(
    title="ONNX Runtime Web",
    extra="build",
    modules=(),  # it comes from npm, and is none of Python's
    devices=(BROWSER,),
    int8={BROWSER: "unsigned_io"},
    rules=GraphRules(fixed_shapes=True, single_pictures=True),
)
