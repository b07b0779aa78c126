"""Write the table by which encoders of segmentation-models-pytorch are known from their weights alone.

    python -m tools.families.smp_encoders edgeseg/models/families/smp/encoders.json

The library's own encoders, and those of timm's families below, are made without memory. Those whose weights
have the same names and shapes, and whose modules have the same settings and pixels, are one entry.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch
from torch import nn

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of names that PyTorch means to change
    import segmentation_models_pytorch as smp
    import timm

from edgeseg.models.families.smp.fingerprint import CONVOLUTION_NDIM, fingerprint

OWN_DEPTHS = (5,)  # the library's own encoders have all their weights whatever the depth
TIMM_DEPTHS = (5, 4, 3)
IMAGE_CHANNELS = 5  # a number that no encoder has on the second axis of another convolution
TIMM_FAMILIES = (  # those that give maps of features at the strides that decoders want
    r"(tf_)?mobilenetv[234]_.*",
    r"(tv_)?(wide_)?res(net|next)\d.*",
    r"(tf_)?efficientnet(v2)?_.*",
    r"convnext(v2)?_(atto|femto|pico|nano|tiny|small|base|large).*",
    r"regnet[xyz]_.*",
    r"(res2ne|resnest|seresne|ecaresnet)\w*",
    r"swin(v2)?_(tiny|small|base|s3).*",
    r"(densenet|hrnet|dla|lcnet|mnasnet|mixnet|ghostnet|edgenext|pvt_v2|gernet|repvgg|fbnetc|rexnet|tinynet).*",
    r"(skresne|hardcorenas|semnasnet|spnasnet|vgg|tresnet|cspresnet|vovnet|ese_vovnet|fastvit|mobileone).*",
)
WITHOUT_EFFECT = re.compile(r"drop|training|name|grad|init")  # settings of training, or of nothing


def main(path: Path) -> None:
    """Write the table."""
    warnings.simplefilter("ignore")
    entries: dict[str, dict[str, Any]] = {}
    for name in dict.fromkeys(_names()):
        depths = TIMM_DEPTHS if name.startswith("tu-") else OWN_DEPTHS
        made = {depth: encoder for depth in depths if (encoder := _made(name, depth)) is not None}
        if not made:
            continue
        deepest = made[max(made)]
        entry = {
            "names": [],
            "channels": list(deepest.out_channels[1:]),
            "stem": next(key for key, value in deepest.state_dict().items() if _takes_pixels(value)),
            "fingerprints": {str(depth): _fingerprint(encoder) for depth, encoder in made.items()},
        }
        key = json.dumps([entry, _settings(deepest), _pixels(name)])
        entries.setdefault(key, entry)["names"].append(name)
        lines = ",\n".join(json.dumps(entry, separators=(",", ":")) for entry in entries.values())
        path.write_text(f"[\n{lines}\n]\n")
        print(f"{len(entries)} {name}", file=sys.stderr)


def _names() -> Iterator[str]:
    yield from smp.encoders.get_encoder_names()
    for family in TIMM_FAMILIES:
        yield from (f"tu-{name}" for name in timm.list_models() if re.fullmatch(family, name))


def _made(name: str, depth: int) -> Any:
    """Make an encoder, on no device where it can be; None if the library cannot."""
    device = "cpu" if name.startswith("mit_") else "meta"  # those read values while they are made
    try:
        with torch.device(device):
            encoder = smp.encoders.get_encoder(name, IMAGE_CHANNELS, depth, weights=None)
    except Exception:  # some of timm's models give no maps of features
        return None
    return encoder if any(map(_takes_pixels, encoder.state_dict().values())) else None


def _takes_pixels(tensor: torch.Tensor) -> bool:
    return tensor.ndim == CONVOLUTION_NDIM and tensor.shape[1] == IMAGE_CHANNELS


def _fingerprint(encoder: nn.Module) -> str:
    return fingerprint({name: tuple(tensor.shape) for name, tensor in encoder.state_dict().items()})


def _settings(encoder: nn.Module) -> str:
    """Hash what the modules are and how they are set, such as strides, padding and epsilons."""
    lines = []
    for place, module in encoder.named_modules():
        settings = {
            key: value
            for key, value in vars(module).items()
            if isinstance(value, bool | int | float | str | tuple) and not WITHOUT_EFFECT.search(key)
        }
        kind = type(module).__name__
        if not re.match(r"Drop|Identity", kind):
            lines.append(f"{place} {kind} {sorted(settings.items(), key=str)}")
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _pixels(name: str) -> Any:
    """Give what the encoder's own training made of pixels, as far as timm knows it."""
    if not name.startswith("tu-"):
        return None
    config = timm.models.get_pretrained_cfg(name[3:])
    return None if config is None else [config.mean, config.std]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
