"""Read what mmsegmentation stores beside weights: its configuration's text, classes and normalisation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from edgeseg.models.families.python_config import read_python_config
from edgeseg.spec import ChannelOrder, PerChannel

META, DATASET_META, CONFIG = "meta", "dataset_meta", ("cfg", "config")
NORMALISERS = ("SegDataPreProcessor", "Normalize")  # by their `type`, since version 1.0 and before
SWAPS = ("bgr_to_rgb", "to_rgb")
IMAGENET_255: tuple[PerChannel, PerChannel] = (
    (123.675, 116.28, 103.53),
    (58.395, 57.12, 57.375),
)  # mean and deviation


@dataclass(frozen=True)
class Pixels:
    """How pixels are normalised: (x - mean) / std of x in 0..255, red first whatever the channel order."""

    mean_rgb: PerChannel
    std_rgb: PerChannel
    channel_order: ChannelOrder
    known: bool


def read_model(configs: Mapping[str, Any]) -> Mapping[str, Any]:
    """Give the configuration's `model`; empty where there is none."""
    model = _config(configs).get("model")
    return model if isinstance(model, Mapping) else {}


def read_pixels(configs: Mapping[str, Any]) -> Pixels:
    """Read the normalisation; that of ImageNet, in RGB, where nothing says it."""
    found = [
        entry
        for entry in _dictionaries(_config(configs))
        if entry.get("type") in NORMALISERS and _is_triple(entry.get("mean")) and _is_triple(entry.get("std"))
    ]
    if not found:
        return Pixels(*IMAGENET_255, "rgb", known=False)
    mean, std = (tuple(map(float, found[0][name])) for name in ("mean", "std"))
    is_rgb = any(found[0].get(name) is True for name in SWAPS)
    step = 1 if is_rgb else -1
    return Pixels(mean[::step], std[::step], "rgb" if is_rgb else "bgr", known=True)


def read_class_names(configs: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Read the names of the classes; None where the file has none."""
    meta = _meta(configs)
    described = meta.get(DATASET_META, configs.get(DATASET_META))
    described = described if isinstance(described, Mapping) else {}
    for names in (meta.get("CLASSES"), described.get("classes"), described.get("CLASSES")):
        if isinstance(names, list | tuple) and names and all(isinstance(name, str) for name in names):
            return tuple(names)
    return None


def read_size(configs: Mapping[str, Any]) -> tuple[int, int] | None:
    """Read the height and width of the crops that were trained on; None where nothing says them."""
    match _config(configs).get("crop_size"):
        case [int(height), int(width)]:
            return height, width
    return None


def _meta(configs: Mapping[str, Any]) -> Mapping[str, Any]:
    meta = configs.get(META)
    return meta if isinstance(meta, Mapping) else {}


def _config(configs: Mapping[str, Any]) -> Mapping[str, Any]:
    meta = _meta(configs)
    text = next((meta[name] for name in CONFIG if isinstance(meta.get(name), str)), "")
    return read_python_config(text)


def _dictionaries(value: Any) -> Iterator[Mapping[str, Any]]:
    """Go through all dictionaries within a value, the outer ones first."""
    if isinstance(value, Mapping):
        yield value
    if isinstance(value, Mapping | list | tuple):
        for item in value.values() if isinstance(value, Mapping) else value:
            yield from _dictionaries(item)


def _is_triple(value: Any) -> bool:
    is_list = isinstance(value, list | tuple) and len(value) == len("RGB")
    return is_list and all(isinstance(number, int | float) for number in value)
