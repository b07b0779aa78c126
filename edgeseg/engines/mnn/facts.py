"""What MNN is to edgeseg."""

from __future__ import annotations

from edgeseg.engines.facts import CPU, Facts

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
    lowerings=("onnx",),  # it takes the dense one without an error, and finds something else
)
