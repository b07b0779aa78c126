"""Read nnU-Net's plans: which network a configuration trains, and how it normalises images.

Isensee et al., "nnU-Net: a self-configuring method for deep learning-based biomedical image segmentation",
Nature Methods 2021. `plans.json` names classes of Python by their place. They are looked up in a list of
those that are known, and nothing that a file names is imported.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from edgeseg.errors import CheckpointError, name_a_few, shown

FLAT = 2  # axes of an image
ARCHITECTURES = ("PlainConvUNet", "ResidualEncoderUNet", "ResidualUNet")
"""Of `dynamic_network_architectures.architectures.unet`."""

BLOCKS = ("BasicBlockD", "BottleneckD")
"""Of `dynamic_network_architectures.building_blocks.residual`."""

LAYERS: Mapping[str, type[nn.Module]] = {
    layer.__name__: layer
    for layer in (
        nn.Conv2d,
        nn.InstanceNorm2d,
        nn.BatchNorm2d,
        nn.Dropout2d,
        nn.LeakyReLU,
        nn.ReLU,
        nn.GELU,
        nn.SiLU,
        nn.ELU,
    )
}
"""What plans may name as an operation of a network."""

OPERATIONS = ("conv_op", "norm_op", "dropout_op", "nonlin", "block")
PROPERTIES = ("foreground_intensity_properties_per_channel", "foreground_intensity_properties_by_modality")
OF_VOLUMES = ("Conv3d", "InstanceNorm3d", "BatchNorm3d")
RESIDUAL = "ResidualEncoderUNet"


@dataclass(frozen=True)
class Configuration:
    """One configuration of a set of plans, such as `2d`.

    Attributes:
        name: of the configuration.
        architecture: one of `ARCHITECTURES`.
        arguments: of its class, but for the channels at both ends; operations as the names of their classes.
        patch_hw: the size in pixels of what it was trained on.
        schemes: how each channel is normalised, by the names of nnU-Net's classes.
        masked: for each channel, whether its own statistics are those of what is not 0.
        properties: of the intensities of each channel, over the data set.
    """

    name: str
    architecture: str
    arguments: Mapping[str, Any]
    patch_hw: tuple[int, int]
    schemes: tuple[str, ...]
    masked: tuple[bool, ...]
    properties: Mapping[str, Mapping[str, float]]


def read_configuration(plans: Mapping[str, Any], wanted: str | None, source: str) -> Configuration:
    """Read a configuration of 2-d images.

    Args:
        plans: contents of `plans.json`.
        wanted: its name; by default the one that is there for images.
        source: where the plans are from, for messages.

    Raises:
        CheckpointError: if there is none, if it is one for volumes, or names what is not known.
    """
    configurations = plans.get("configurations")
    if not isinstance(configurations, Mapping):
        raise CheckpointError(f"the plans of {source} have no configurations: they are not nnU-Net v2's")
    merged = {str(name): _inherited(configurations, name) for name in configurations}
    flat = [name for name, entry in merged.items() if len(entry.get("patch_size", ())) == FLAT]
    if wanted is None and len(flat) == 1:
        wanted = flat[0]
    if wanted is None:
        raise CheckpointError(
            f"the plans of {source} have "
            + (
                f"several configurations of images: ?configuration= one of {', '.join(flat)}"
                if flat
                else "none"
            )
        )
    if wanted not in merged:
        raise CheckpointError(f"the plans of {source} have no {wanted}; they have {', '.join(merged)}")
    if wanted not in flat:
        raise CheckpointError(
            f"{source} is nnU-Net's {wanted}, for volumes; edgeseg runs networks for images: take its 2d"
        )
    entry = merged[wanted]
    architecture, arguments = _network(entry, source)
    schemes = tuple(map(str, entry.get("normalization_schemes", ())))
    height, width = entry["patch_size"]
    return Configuration(
        wanted,
        architecture,
        arguments,
        (int(height), int(width)),
        schemes,
        tuple(map(bool, entry.get("use_mask_for_norm") or [False] * len(schemes))),
        next((plans[name] for name in PROPERTIES if isinstance(plans.get(name), Mapping)), {}),
    )


def operations(arguments: Mapping[str, Any], blocks: Any) -> dict[str, Any]:
    """Put classes in the place of their names.

    Args:
        arguments: of a configuration.
        blocks: the module of `dynamic_network_architectures` that holds residual blocks.
    """
    known = {**LAYERS, **{name: getattr(blocks, name) for name in BLOCKS}}
    return {
        name: known[value] if name in OPERATIONS and value is not None else value
        for name, value in arguments.items()
    }


def _inherited(configurations: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Give a configuration with what it inherits from others."""
    merged: dict[str, Any] = {}
    seen: set[str] = set()
    current: Any = name
    while isinstance(current, str) and current not in seen:
        seen.add(current)
        entry = configurations.get(current)
        entry = entry if isinstance(entry, Mapping) else {}
        merged = {**entry, **merged}
        current = entry.get("inherits_from")
    return merged


def _network(entry: Mapping[str, Any], source: str) -> tuple[str, dict[str, Any]]:
    """Give the network's class by its name, and its arguments; plans before nnU-Net 2.4 hold them loose."""
    described = entry.get("architecture")
    if isinstance(described, Mapping):
        place, arguments = str(described.get("network_class_name")), dict(described.get("arch_kwargs", {}))
    else:
        place, arguments = str(entry.get("UNet_class_name")), _loose(entry)
    name = place.rpartition(".")[2]
    if name not in ARCHITECTURES:
        raise CheckpointError(
            f"the plans of {source} name the network {shown(place)}, which is none of "
            f"{', '.join(ARCHITECTURES)}; make it in a function of your own (file.py:function)"
        )
    for operation in OPERATIONS:
        if arguments.get(operation) is not None:
            arguments[operation] = _known(str(arguments[operation]), source)
    return name, arguments


def _loose(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Make the arguments of nnU-Net's own network from an older configuration."""
    stages = entry["n_conv_per_stage_encoder"]
    first, most = entry["UNet_base_num_features"], entry["unet_max_num_features"]
    blocks = "n_blocks_per_stage" if entry.get("UNet_class_name") == RESIDUAL else "n_conv_per_stage"
    return {
        "n_stages": len(stages),
        "features_per_stage": [min(first << level, most) for level in range(len(stages))],
        "conv_op": "Conv2d",
        "kernel_sizes": entry["conv_kernel_sizes"],
        "strides": entry["pool_op_kernel_sizes"],
        blocks: stages,
        "n_conv_per_stage_decoder": entry["n_conv_per_stage_decoder"],
        "conv_bias": True,
        "norm_op": "InstanceNorm2d",
        "norm_op_kwargs": {"eps": 1e-5, "affine": True},
        "dropout_op": None,
        "dropout_op_kwargs": None,
        "nonlin": "LeakyReLU",
        "nonlin_kwargs": {"inplace": True},
    }


def _known(place: str, source: str) -> str:
    name = place.rpartition(".")[2]
    if name in OF_VOLUMES:
        raise CheckpointError(f"{source} is a network for volumes ({name}); edgeseg runs networks for images")
    if name not in LAYERS and name not in BLOCKS:
        raise CheckpointError(
            f"the plans of {source} name {shown(place)}, which is none of {name_a_few([*LAYERS, *BLOCKS])}; "
            "make the network in a function of your own (file.py:function)"
        )
    return name
