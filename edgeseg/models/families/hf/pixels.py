"""Turn `preprocessor_config.json` into what a network expects of pixels."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from edgeseg.errors import CheckpointError, shown
from edgeseg.models.families.pixels import Pixels, three_numbers
from edgeseg.models.network import IMAGENET_MEAN_RGB, IMAGENET_STD_RGB, UNIT_STD_RGB, ZERO_MEAN_RGB

PREPROCESSOR = "preprocessor_config.json"
HALF = (0.5, 0.5, 0.5)
TO_UNIT = 1 / 255
FILTER_NAMES = {0: "nearest", 1: "Lanczos", 2: "bilinear", 3: "bicubic", 4: "box", 5: "Hamming"}
"""Of Pillow, by number."""
BILINEAR = 2
SIDES = 2

_SEGFORMER: Mapping[str, Any] = {
    "size": {"height": 512, "width": 512},
    "resample": BILINEAR,
    "image_mean": IMAGENET_MEAN_RGB,
    "image_std": IMAGENET_STD_RGB,
}
_BEIT: Mapping[str, Any] = {
    "size": {"height": 224, "width": 224},
    "resample": 3,
    "image_mean": HALF,
    "image_std": HALF,
    "crop_size": {"height": 224, "width": 224},
}
_MOBILEVIT: Mapping[str, Any] = {
    "size": {"shortest_edge": 224},
    "resample": 3,
    "crop_size": {"height": 256, "width": 256},
    "do_center_crop": True,
    "do_flip_channel_order": True,
    "do_normalize": False,
}
DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "segformer": _SEGFORMER,
    "upernet": _SEGFORMER,
    "beit": _BEIT,
    "data2vec-vision": _BEIT,
    "dpt": {**_BEIT, "size": {"height": 384, "width": 384}},
    "mobilevit": _MOBILEVIT,
    "mobilevitv2": _MOBILEVIT,
    "mobilenet_v2": {
        "size": {"shortest_edge": 256},
        "resample": BILINEAR,
        "image_mean": HALF,
        "image_std": HALF,
        "crop_size": {"height": 224, "width": 224},
        "do_center_crop": True,
    },
}
"""What the library's own image processors do unless the file says otherwise, by `model_type`."""

NEVER_NORMALISED = ("mobilevit", "mobilevitv2")  # whatever their file says


def read_pixels(model_type: str, file: Mapping[str, Any] | None) -> Pixels:
    """Read what a processor makes of an image.

    Args:
        model_type: of the network's `config.json`.
        file: parsed `preprocessor_config.json`; None if there is none.

    Raises:
        CheckpointError: if it says what no processor of the library does.
    """
    settings = {
        **DEFAULTS[model_type],
        **{key: value for key, value in (file or {}).items() if value is not None},
    }
    fields: dict[str, Any] = {**_normalised(model_type, settings)}
    fields["channel_order"] = "bgr" if settings.get("do_flip_channel_order") else "rgb"
    unknown: list[str] = []
    if settings.get("do_resize", True):
        fields.update(_resized(model_type, settings, unknown))
        fields.update(_filtered(settings, unknown))
    else:
        unknown.append(
            f"{PREPROCESSOR} resizes no images (do_resize): give --size and --resize as the training had them"
        )
    if settings.get("do_pad"):
        unknown.append(f"{PREPROCESSOR} pads images (do_pad), which edgeseg does only to fill its input")
    if file is None:
        unknown.insert(
            0, f"no {PREPROCESSOR} lies beside the weights: the library's defaults for {model_type} are taken"
        )
    who = PREPROCESSOR if file is not None else f"transformers' defaults for {model_type}"
    said = {
        key: who if _is_in(file, _SAYS[key]) or file is None else f"transformers' default for {model_type}"
        for key in fields
    }
    return Pixels(fields, said, tuple(unknown))


_SAYS: Mapping[str, tuple[str, ...]] = {
    "mean_rgb": ("image_mean", "do_normalize"),
    "std_rgb": ("image_std", "do_normalize"),
    "divide_by_255": ("do_rescale", "rescale_factor", "do_normalize"),
    "channel_order": ("do_flip_channel_order",),
    "resize": ("size",),
    "default_size_hw": ("size", "crop_size"),
    "resize_filter": ("resample",),
}
"""By which settings a file says each field."""


def _is_in(file: Mapping[str, Any] | None, keys: Sequence[str]) -> bool:
    return file is not None and any(key in file for key in keys)


def _normalised(model_type: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Give mean and deviation: (x f - mean) / std is (x - mean / f) / (std / f) for any factor f."""
    factor = settings.get("rescale_factor", TO_UNIT) if settings.get("do_rescale", True) else 1.0
    if not isinstance(factor, int | float) or not 0 < factor < math.inf:
        raise CheckpointError(f"{PREPROCESSOR}: rescale_factor must be a number above 0, got {shown(factor)}")
    normalises = settings.get("do_normalize", True) and model_type not in NEVER_NORMALISED
    mean = (
        three_numbers(settings["image_mean"], f"{PREPROCESSOR}: image_mean") if normalises else ZERO_MEAN_RGB
    )
    std = three_numbers(settings["image_std"], f"{PREPROCESSOR}: image_std") if normalises else UNIT_STD_RGB
    if math.isclose(factor, TO_UNIT, rel_tol=1e-6):
        return {"mean_rgb": mean, "std_rgb": std, "divide_by_255": "before"}
    red, green, blue = ((m / factor, s / factor) for m, s in zip(mean, std, strict=True))
    means, deviations = zip(red, green, blue, strict=True)
    return {"mean_rgb": means, "std_rgb": deviations, "divide_by_255": "never"}


def _resized(model_type: str, settings: Mapping[str, Any], unknown: list[str]) -> dict[str, Any]:
    """Say how a frame fills the input; a crop of the middle is what no camera's frame should lose."""
    size = settings["size"]
    keeps = bool(settings.get("keep_aspect_ratio"))
    shape = (size, size) if isinstance(size, int) else _sides(size, "size")
    if isinstance(size, int):
        keeps = keeps or "shortest_edge" in DEFAULTS[model_type]["size"]
    elif isinstance(size, Mapping):
        keeps = keeps or "height" not in size
    if settings.get("do_center_crop") and "crop_size" in settings:
        crop = settings["crop_size"]
        shape = (crop, crop) if isinstance(crop, int) else _sides(crop, "crop_size")
        unknown.append(
            f"{PREPROCESSOR} crops the middle, {shape[0]}x{shape[1]}, out of resized images; edgeseg shows "
            "the network whole frames"
        )
    elif keeps:
        unknown.append(
            f"{PREPROCESSOR} keeps the aspect ratio of images and lets their size vary; edgeseg's input is "
            f"{shape[0]}x{shape[1]}, with bars, unless --size says otherwise"
        )
    return {"resize": "letterbox" if keeps else "stretch", "default_size_hw": shape}


def _sides(size: Any, key: str) -> tuple[int, int]:
    """Read height and width; of one edge alone, a square of it."""
    if isinstance(size, Mapping):
        edge = size.get("shortest_edge") or size.get("longest_edge")
        sides = (size.get("height", edge), size.get("width", edge))
    else:
        sides = tuple(size) if isinstance(size, Sequence) and len(size) == SIDES else (None, None)
    height, width = sides
    if type(height) is not int or type(width) is not int or min(height, width) < 1:
        raise CheckpointError(f"{PREPROCESSOR}: {key} must be height and width in pixels, got {shown(size)}")
    return height, width


def _filtered(settings: Mapping[str, Any], unknown: list[str]) -> dict[str, Any]:
    number = settings["resample"]
    if number not in FILTER_NAMES or FILTER_NAMES[number] == "nearest":
        unknown.append(f"{PREPROCESSOR} resizes by the filter {shown(number)}, which edgeseg has not")
        return {}
    if number != BILINEAR:
        unknown.append(
            f"{PREPROCESSOR} resizes by Pillow's {FILTER_NAMES[number]} filter, which edgeseg has not; "
            "frames are resized by the nearest to it, Pillow's bilinear"
        )
    return {"resize_filter": "pil"}
