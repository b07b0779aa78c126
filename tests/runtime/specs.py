"""The contracts of small networks, for fake backends and for engines of a few nodes."""

from __future__ import annotations

from typing import Any

from edgeseg.spec import GraphSpec, InputSpec, ModelSpec, OutputSpec, Provenance

SIZE_HW = (32, 48)
STRIDE = 8  # of logits
GRAPH = GraphSpec(mean_rgb=(0.0, 0.0, 0.0), std_rgb=(1.0, 1.0, 1.0))


def labels_spec(size_hw: tuple[int, int] = SIZE_HW, **changes: Any) -> ModelSpec:
    """Labels of two classes; the changes are those of the InputSpec, as below."""
    image = InputSpec(*size_hw, **changes)
    return ModelSpec(
        task="semantic",
        class_names=("dark", "bright"),
        input=image,
        graph=GRAPH,
        output_kind="labels",
        outputs=(OutputSpec("labels", "uint8", (image.batch, *size_hw)),),
        source=Provenance("tiny labels"),
    )


def logits_spec(size_hw: tuple[int, int] = SIZE_HW, **changes: Any) -> ModelSpec:
    """Logits of two classes at stride 8."""
    image = InputSpec(*size_hw, **changes)
    shape = (image.batch, 2, size_hw[0] // STRIDE, size_hw[1] // STRIDE)
    return ModelSpec(
        task="semantic",
        class_names=("dark", "bright"),
        input=image,
        graph=GRAPH,
        output_kind="logits",
        outputs=(OutputSpec("logits", "float32", shape),),
        source=Provenance("tiny logits"),
    )


def instances_spec(
    count: int | None = 2, size_hw: tuple[int, int] = SIZE_HW, *, mask_size: int = 4, **changes: Any
) -> ModelSpec:
    """So many instances; None leaves their number to the data."""
    image = InputSpec(*size_hw, **changes)
    shapes = {
        "boxes": ("float32", (count, 4)),
        "scores": ("float32", (count,)),
        "class_ids": ("int64", (count,)),
        "masks": ("float32", (count, mask_size, mask_size)),
    }
    return ModelSpec(
        task="instance",
        class_names=("background", *(f"thing {i}" for i in range(1, (count or 1) + 1))),
        input=image,
        graph=GRAPH,
        output_kind="instances",
        outputs=tuple(
            OutputSpec(name, kind, (image.batch, *shape)) for name, (kind, shape) in shapes.items()
        ),
        source=Provenance("tiny instances"),
    )
