"""Turn the transforms of a MONAI bundle into how the pixels are to be prepared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from edgeseg.models.families.monai.bundle import Part
from edgeseg.models.intensity import ClipAndScale, Rescale, Standardise
from edgeseg.spec import WHITE, ResizeFilter

IMAGE = "image"  # the key of a bundle's dictionary
READERS_OF_ROWS = ("numpyreader",)  # the other readers give an image by its columns
WITHOUT_EFFECT = (
    "addchannel",
    "aschannelfirst",
    "asdiscrete",
    "casttotype",
    "copyitems",
    "ensurechannelfirst",
    "ensuretype",
    "frommetatensor",
    "identity",
    "orientation",
    "selectitems",
    "spacing",
    "squeezedim",
    "todevice",
    "totensor",
)
"""What prepares no values: types, axes, and what volumes alone have."""

FILTERS: Mapping[str, ResizeFilter] = {"area": "area", "bilinear": "linear", "linear": "linear"}
"""Modes of PyTorch's `interpolate`, by whose names MONAI resizes, as filters of the spec."""


@dataclass
class PreparedImage:
    """How the pixels of an image, 0..255, become what the network takes.

    Attributes:
        layers: that normalise; empty where mean and deviation are enough.
        mean, std: of pixels 0..255 before `layers`.
        columns_first: whether images were read by their columns.
        size_hw: of the input.
        resize_filter: by which images were resized.
        left_out: transforms that are not reproduced.
    """

    layers: list[nn.Module] = field(default_factory=list)
    mean: float = 0.0
    std: float = 1.0
    columns_first: bool = False
    size_hw: tuple[int, int] | None = None
    resize_filter: ResizeFilter | None = None
    left_out: list[str] = field(default_factory=list)


def prepare(transforms: Sequence[Part]) -> PreparedImage:
    """Read transforms in their order; those of labels alone are passed over."""
    prepared = PreparedImage()
    for part in transforms:
        keys = part.values.get("keys", IMAGE)
        if IMAGE in ([keys] if isinstance(keys, str) else keys):
            _apply(prepared, _kind(part.name), part)
    return prepared


def _kind(name: str) -> str:
    """Give a transform's name without the ending that those of dictionaries have."""
    return name.removesuffix("Dict").removesuffix("d").removesuffix("D").lower()


def _apply(prepared: PreparedImage, kind: str, part: Part) -> None:
    values = part.values
    if kind == "loadimage":
        reader = str(values.get("reader", "")).lower()
        prepared.columns_first = reader not in READERS_OF_ROWS and values.get("reverse_indexing") is not False
    elif kind == "scaleintensityrange" and _has(part, "a_min", "a_max"):
        _scale_range(prepared, values)
    elif kind == "scaleintensity" and not part.open and values.get("factor") is None:
        low, high = values.get("minv", 0.0), values.get("maxv", 1.0)
        prepared.layers.append(Rescale(low, high, each_channel=bool(values.get("channel_wise"))))
    elif kind == "normalizeintensity" and not part.open and not values.get("nonzero"):
        _normalise(prepared, part)
    elif (
        kind == "resize" and _is_size(values.get("spatial_size")) and values.get("size_mode", "all") == "all"
    ):
        prepared.size_hw = _size_hw(values["spatial_size"], prepared)
        prepared.resize_filter = FILTERS.get(str(values.get("mode", "area")).lower())
    elif kind not in WITHOUT_EFFECT:
        prepared.left_out.append(part.name)


def _scale_range(prepared: PreparedImage, values: Mapping[str, Any]) -> None:
    """Bring a_min..a_max to b_min..b_max: x is (x - mean) / std of the two."""
    a_min, a_max = float(values["a_min"]), float(values["a_max"])
    b_min, b_max = values.get("b_min"), values.get("b_max")
    low, high = (0.0, 1.0) if b_min is None or b_max is None else (float(b_min), float(b_max))
    std = (a_max - a_min) / (high - low)
    cuts = bool(values.get("clip")) and (a_min, a_max) != (0, WHITE)
    _add(prepared, (a_min, a_max) if cuts else (None, None), a_min - low * std, std)


def _normalise(prepared: PreparedImage, part: Part) -> None:
    """Subtract and divide by given numbers, or by the image's own statistics."""
    subtrahend, divisor = part.values.get("subtrahend"), part.values.get("divisor")
    if subtrahend is None and divisor is None:
        prepared.layers.append(Standardise(each_channel=bool(part.values.get("channel_wise"))))
    elif isinstance(subtrahend, int | float) and isinstance(divisor, int | float) and divisor:
        _add(prepared, (None, None), float(subtrahend), float(divisor))
    else:
        prepared.left_out.append(part.name)


def _add(prepared: PreparedImage, clip: tuple[float | None, float | None], mean: float, std: float) -> None:
    """Put a fixed normalisation behind what is there: into its numbers, or as a layer."""
    if prepared.layers or clip != (None, None):
        prepared.layers.append(ClipAndScale(*clip, mean, std))
    else:  # ((x - m) / s - mean) / std
        prepared.mean += mean * prepared.std
        prepared.std *= std


def _has(part: Part, *names: str) -> bool:
    return (
        all(isinstance(part.values.get(name), int | float) for name in names)
        and part.values["a_min"] != part.values["a_max"]
    )


def _is_size(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) == len("HW")
        and all(isinstance(s, int) and s > 0 for s in value)
    )


def _size_hw(spatial_size: Sequence[int], prepared: PreparedImage) -> tuple[int, int]:
    first, second = spatial_size
    return (second, first) if prepared.columns_first else (first, second)
