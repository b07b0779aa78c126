"""Turn what is known of an encoder's training, or lies beside its weights, into what it expects of pixels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from edgeseg.errors import CheckpointError, shown
from edgeseg.models.families.pixels import Pixels, three_numbers
from edgeseg.models.network import IMAGENET_MEAN_RGB, IMAGENET_STD_RGB
from edgeseg.spec import PerChannel

HALF: PerChannel = (0.5, 0.5, 0.5)
DPN_MEAN: PerChannel = (124 / 255, 117 / 255, 104 / 255)
DPN_STD: PerChannel = (1 / (0.0167 * 255),) * 3

OF_ENCODERS: Mapping[str, tuple[PerChannel, PerChannel]] = {
    "dpn": (DPN_MEAN, DPN_STD),
    "inceptionresnetv2": (HALF, HALF),
    "inceptionv4": (HALF, HALF),
    "xception": (HALF, HALF),
    "timm-tf_efficientnet_lite": (HALF, HALF),
}
"""Mean and deviation of pixels in 0..1, red first, of the library's own encoders by how their names begin.

The library reads them from the hub; as published there for each encoder. All others have ImageNet's.
"""

OF_PRETRAININGS: Mapping[str, tuple[PerChannel, PerChannel]] = {"advprop": (HALF, HALF)}
"""Of weights that were trained in another way than their encoder is by default."""

TRANSFORMS = ("albumentations_config_eval.json", "albumentations_config.json")
"""As albumentations writes the transforms that a network is evaluated with beside its weights."""
FILTERS = {0: None, 1: "linear", 3: "area"}  # of OpenCV, by number
MOST_VALUE = 255.0


def of_parameters(parameters: Mapping[str, Any], who: str) -> Pixels:
    """Read the parameters in which the library, and timm, say what an encoder's pixels are.

    Args:
        parameters: `mean` and `std` in the order of `input_space` (`RGB` or `BGR`), of pixels in
            `input_range`, up to 1 or to 255.
        who: says them.
    """
    order = str(parameters.get("input_space", "RGB")).lower()
    most = (parameters.get("input_range") or [0, 1])[1]
    mean, std = (three_numbers(parameters[key], f"{who}: {key}") for key in ("mean", "std"))
    fields = {
        "mean_rgb": mean if order == "rgb" else mean[::-1],
        "std_rgb": std if order == "rgb" else std[::-1],
        "channel_order": order,
        "divide_by_255": "before" if most == 1 else "never",
    }
    return Pixels(fields, dict.fromkeys(fields, who))


def of_encoder(name: str, pretrained: str | None, timm_config: Any) -> Pixels:
    """Give what an encoder's own training made of pixels.

    Args:
        name: of the encoder.
        pretrained: its weights before this training, such as `imagenet`; None if nobody says.
        timm_config: of an encoder of timm, what timm says of its weights; else None.
    """
    if timm_config is not None:
        who = f"the encoder's own parameters in timm ({timm_config.architecture or name[3:]})"
        values = {"mean": timm_config.mean, "std": timm_config.std, "input_space": "RGB"}
        return of_parameters(values, who)
    default = next(
        (values for prefix, values in OF_ENCODERS.items() if name.startswith(prefix)),
        (IMAGENET_MEAN_RGB, IMAGENET_STD_RGB),
    )
    mean, std = OF_PRETRAININGS.get(pretrained or "", default)
    return of_parameters({"mean": mean, "std": std}, f"the encoder's own parameters ({name})")


def of_transforms(configs: Mapping[str, Any]) -> Pixels | None:
    """Read the transforms of albumentations that a network is evaluated with; None if there are none."""
    file = next((name for name in TRANSFORMS if isinstance(configs.get(name), Mapping)), None)
    if file is None:
        return None
    fields: dict[str, Any] = {}
    unknown: list[str] = []
    for name, settings in _transforms(configs[file].get("transform", {})):
        if name == "Normalize":
            fields.update(_normalised(settings, file, unknown))
        elif name == "Resize":
            height, width = settings.get("height"), settings.get("width")
            if isinstance(height, int) and isinstance(width, int):
                fields.update(default_size_hw=(height, width), resize="stretch")
            fields.update(_filtered(settings, file, unknown))
        elif name not in ("ToTensorV2", "NoOp"):
            unknown.append(f"{file} has {shown(name)}, which edgeseg does not do")
    return Pixels(fields, dict.fromkeys(fields, file), tuple(unknown))


def _transforms(transform: Any) -> list[tuple[str, Mapping[str, Any]]]:
    """List the transforms of one, and of those within it, with their settings."""
    if not isinstance(transform, Mapping):
        return []
    inner = transform.get("transforms")
    if isinstance(inner, Sequence):
        return [found for one in inner for found in _transforms(one)]
    return [(str(transform.get("__class_fullname__", "")).rpartition(".")[2], transform)]


def _normalised(settings: Mapping[str, Any], file: str, unknown: list[str]) -> dict[str, Any]:
    if settings.get("normalization", "standard") != "standard":
        unknown.append(f"{file} normalises each image by itself, which edgeseg does not do")
        return {}
    most = settings.get("max_pixel_value", MOST_VALUE)
    if most not in (1, MOST_VALUE):
        raise CheckpointError(
            f"{file} divides pixels by {shown(most)}; give --mean, --std and --divide-by-255"
        )
    parameters = {
        "mean": settings.get("mean", IMAGENET_MEAN_RGB),
        "std": settings.get("std", IMAGENET_STD_RGB),
        "input_range": [0, 1 if most == MOST_VALUE else MOST_VALUE],
    }
    return {
        key: value for key, value in of_parameters(parameters, file).fields.items() if key != "channel_order"
    }


def _filtered(settings: Mapping[str, Any], file: str, unknown: list[str]) -> dict[str, Any]:
    number = settings.get("interpolation", 1)
    if FILTERS.get(number) is None:
        unknown.append(
            f"{file} resizes by OpenCV's filter {shown(number)}; say --resize-filter, or linear is taken"
        )
        return {}
    return {"resize_filter": FILTERS[number]}
