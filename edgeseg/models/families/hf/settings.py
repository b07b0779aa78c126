"""Turn a `config.json` into the settings of a network alone: what could load or run anything is left out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from edgeseg.errors import CheckpointError, shown
from edgeseg.limits import refuse_above

LEFT_OUT = re.compile(
    r"_.*|auto_map|.*attn_implementation|.*experts_implementation|quantization_config|use_kernels|custom_pipelines"
    r"|trust_remote_code|torch_dtype|dtype|torchscript|use_pretrained_backbone|return_dict|output_\w+"
    r"|transformers_version|name_or_path|base_model_\w+|backbone_kwargs"
)
"""Settings that say how to load or run a network, not what it is: kernels and code of the hub among them."""

PLAIN_NAME = re.compile(r"[\w.+-]+")  # of a backbone in timm; no place on the hub, nor on disk


def plain_settings(config: Mapping[str, Any], source: str) -> dict[str, Any]:
    """Take what a network is made of, of it and of its backbone.

    Raises:
        CheckpointError: if a backbone would have to be looked up elsewhere, or a number is far too large.
    """
    found: dict[str, Any] = {}
    for key, value in config.items():
        if LEFT_OUT.fullmatch(key):
            continue
        if key == "backbone" and value is not None:
            _check_backbone(value, config, source)
        for number in value if isinstance(value, list) else [value]:
            if type(number) is int:
                refuse_above("width", number, f"{source}: {key}", CheckpointError)
        found[key] = plain_settings(value, source) if isinstance(value, Mapping) else value
    return found


def _check_backbone(value: Any, config: Mapping[str, Any], source: str) -> None:
    """Refuse a backbone that is named instead of described; timm's are code of an installed library."""
    is_of_timm = config.get("model_type") == "timm_backbone"
    if not is_of_timm or not isinstance(value, str) or PLAIN_NAME.fullmatch(value) is None:
        raise CheckpointError(
            f"{source}: its settings name the backbone {shown(value)}, which transformers would look up on "
            "the network; save it again by save_pretrained of a release from 4.40 on, which describes it"
        )
