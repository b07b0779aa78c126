"""Of a `config.json` only what a network is made of is taken."""

from __future__ import annotations

import pytest

from edgeseg.errors import CheckpointError
from edgeseg.models.families.hf.settings import plain_settings


def test_what_says_how_to_load_or_run_is_left_out_of_backbones_too() -> None:
    config = {
        "model_type": "upernet",
        "auto_map": {"AutoModel": "evil.Net"},
        "_attn_implementation": "somebody/kernel",
        "attn_implementation": "somebody/kernel",
        "torch_dtype": "float16",
        "hidden_size": 16,
        "backbone": None,
        "backbone_config": {"model_type": "swin", "quantization_config": {}, "embed_dim": 8},
    }
    assert plain_settings(config, "w") == {
        "model_type": "upernet",
        "hidden_size": 16,
        "backbone": None,
        "backbone_config": {"model_type": "swin", "embed_dim": 8},
    }


@pytest.mark.parametrize(
    "config",
    [
        {"model_type": "upernet", "backbone": "somebody/net"},
        {"backbone_config": {"model_type": "timm_backbone", "backbone": "hf-hub:somebody/net"}},
    ],
)
def test_a_backbone_elsewhere_is_refused(config: dict[str, object]) -> None:
    with pytest.raises(CheckpointError, match="would look up on the network"):
        plain_settings(config, "w")


def test_a_backbone_of_timm_may_be_named_but_not_loaded() -> None:
    config = {"model_type": "timm_backbone", "backbone": "resnet18.a1_in1k", "use_pretrained_backbone": True}
    assert plain_settings(config, "w") == {"model_type": "timm_backbone", "backbone": "resnet18.a1_in1k"}


def test_sizes_beyond_any_network_are_refused() -> None:
    with pytest.raises(CheckpointError, match="hidden_sizes"):
        plain_settings({"hidden_sizes": [8, 1 << 40]}, "w")
