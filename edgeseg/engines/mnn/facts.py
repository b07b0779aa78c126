"""What MNN is to edgeseg."""

from __future__ import annotations

from edgeseg.engines.facts import CPU, Facts, GraphRules

UINT16 = "takes numbers of 16 bits; export with --input-dtype float32, which takes the same frames"

FACTS = Facts(
    title="MNN",
    extra="mnn",
    modules=("MNN",),
    purpose="run, build: MNN engines",
    devices=(CPU,),
    precisions=("fp32",),
    passes=(
        "wide dilations by fewer products",
        "dilated convolutions by phases",
        "labels by matrix products",
        "class masks before their pixels are in order",
    ),
    rules=GraphRules(inputs={("Cast", "uint16"): UINT16}),
    lowerings=("onnx",),  # it takes the dense one without an error, and finds something else
)
