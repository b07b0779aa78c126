"""MONAI: recognise the weights of its 2-d networks, bare or in a bundle, and make them by the library."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from edgeseg.errors import CheckpointError, UsageError, one_line
from edgeseg.extras import require
from edgeseg.models.checkpoints.loading import load_weights
from edgeseg.models.families.family import Recognised, Source
from edgeseg.models.families.frame_channels import frame_of
from edgeseg.models.families.monai.bundle import class_names, find_parts, find_transforms
from edgeseg.models.families.monai.networks import READERS, Reading
from edgeseg.models.families.monai.transforms import prepare
from edgeseg.models.intensity import Prepared
from edgeseg.models.network import Network
from edgeseg.spec import Head

FLAT = 2  # spatial axes
FOR_TRAINING = ("deep_supervision_heads.", "super_head.")  # of DynUNet, which inference does not use
COLUMNS_FIRST = "columns_first"  # an argument beside those of the network's class
ASSUMED = "MONAI's {architecture} leaves no trace in weights of its {text}"
UNSAID = (
    "nothing says how MONAI's transforms prepared the images: pixels are scaled to 0..1 (x / 255); else give "
    "--mean, --std and --divide-by-255",
    "MONAI's LoadImage reads pictures by their columns, so that a network sees them on their side; if the "
    "training used it, and no rotations, say ?columns_first=True",
    "classes are taken to exclude each other; if the loss took the sigmoid of each, say --head multilabel",
)


@dataclass(frozen=True)
class Monai:
    """`UNet`, `BasicUNet`, `DynUNet` and `SegResNet` of `monai.networks.nets`."""

    name: str = "monai"
    extra: str | None = "monai"

    @property
    def layouts(self) -> Mapping[str, tuple[str, ...]]:
        """How the weights of each network are called."""
        return {
            "UNet": (r"(model\.)?0\.(conv|residual)\.", r"(model\.)?1\.submodule\.", r"(model\.)?2\."),
            "BasicUNet": (r"conv_0\.conv_[01]\.", r"down_[1-4]\.convs\.", r"upcat_[1-4]\.", r"final_conv\."),
            "DynUNet": (
                r"input_block\.",
                r"downsamples\.\d+\.",
                r"bottleneck\.",
                r"upsamples\.\d+\.",
                r"output_block\.conv\.",
                r"skip_layers\.",
            ),
            "SegResNet": (
                r"convInit\.",
                r"down_layers\.\d+\.",
                r"up_(layers|samples)\.\d+\.",
                r"conv_final\.",
            ),
        }

    def recognise(self, source: Source) -> Recognised | None:
        """Tell which network has these names, and with which parameters.

        Raises:
            CheckpointError: if it is one for volumes.
        """
        for architecture, read in READERS.items():
            reading = read(source.weights)
            if reading is None:
                continue
            axes = reading.parameters["spatial_dims"]
            if axes != FLAT:
                raise CheckpointError(
                    f"{source.path} holds MONAI's {architecture} for volumes ({axes}-d convolutions); "
                    "edgeseg runs networks for images"
                )
            reading, file = _with_bundle(source, architecture, reading)
            return Recognised(
                self.name,
                architecture,
                "likely" if reading.assumed or reading.missing else "certain",
                num_classes=reading.parameters["out_channels"],
                parameters=reading.parameters,
                said={} if file is None else {"parameters": file},
                unknown=(
                    *(ASSUMED.format(architecture=architecture, text=text) for text in reading.assumed),
                    *_unsaid(source, reading.parameters["out_channels"]),
                ),
            )
        return None

    def make(self, source: Source, recognised: Recognised, arguments: Mapping[str, Any]) -> Network:
        """Make the network by MONAI; arguments are those of its class, and `columns_first`."""
        given = {"out_channels" if key == "num_classes" else key: value for key, value in arguments.items()}
        columns_first = given.pop(COLUMNS_FIRST, None)
        reading = READERS[recognised.architecture](source.weights) or Reading({"spatial_dims": FLAT})
        reading, _ = _with_bundle(source, recognised.architecture, reading)
        parameters = {**reading.parameters, **given}
        if missing := {key: text for key, text in reading.missing.items() if key not in parameters}:
            example = "&".join(f"{key}={text}" for key, text in missing.items())
            raise UsageError(
                f"{source.path} does not show {' and '.join(missing)} of MONAI's {recognised.architecture}: "
                f"give the training's, such as '{recognised.model}?{example}'"
            )
        module = _made(recognised.architecture, parameters)
        kept = {
            name: tensor
            for name, tensor in source.weights.items()
            if not any(head in name for head in FOR_TRAINING)
        }
        load_weights(module, kept, source=str(source.path), name=recognised.model)
        return _described(source, module.eval(), parameters, columns_first)


def _with_bundle(source: Source, architecture: str, reading: Reading) -> tuple[Reading, str | None]:
    """Put what a bundle says of its network over what the weights show; what it leaves out is MONAI's own.

    Returns:
        And the file that says it; None if none does.
    """
    definition = next(iter(find_parts(source.configs, [architecture])), None)
    if definition is None:
        return reading, None
    shown = {name: value for name, value in reading.parameters.items() if name in definition.open}
    sizes = {name: reading.parameters[name] for name in ("in_channels", "out_channels")}
    return Reading({**sizes, **shown, **definition.values}), definition.file


def _made(architecture: str, parameters: Mapping[str, Any]) -> nn.Module:
    network = getattr(require("monai.networks.nets", "monai"), architecture)
    try:
        module: nn.Module = network(**parameters)
    except Exception as error:  # the parameters may be anything
        raise UsageError(
            f"MONAI's {architecture} cannot be made with {dict(parameters)}: {one_line(str(error))}"
        ) from error
    return module


def _unsaid(source: Source, channels: int) -> list[str]:
    """Say what nobody says of images and classes; of a bundle, what is not reproduced."""
    pixels, columns, overlap = UNSAID
    transforms = find_transforms(source.configs)
    notes = [f"the bundle's {name} is not reproduced" for name in prepare(transforms).left_out]
    if not transforms:
        notes += [pixels, columns]
    if channels > 1 and _head(source, channels) is None:
        notes.append(overlap)
    return notes


def _head(source: Source, channels: int) -> Head | None:
    """Tell by a bundle's postprocessing what the network's output means; None where it has none."""
    for part in find_parts(source.configs, ["Activationsd"]):
        if part.values.get("sigmoid") is True:
            return "multilabel" if channels > 1 else "logits"
        if part.values.get("softmax") is True:
            return "logits"
    return None


def _described(
    source: Source, module: nn.Module, parameters: Mapping[str, Any], columns_first: bool | None
) -> Network:
    """Say what the network expects of the pixels, as far as a bundle says it."""
    frame, classes = frame_of(parameters["in_channels"], str(source.path)), parameters["out_channels"]
    transforms = find_transforms(source.configs)
    prepared = prepare(transforms)
    on_side = prepared.columns_first if columns_first is None else columns_first
    if prepared.layers or on_side:
        module = Prepared(nn.Sequential(*prepared.layers), module, columns_first=on_side).eval()
    head, names = _head(source, classes), class_names(source.configs)
    said = dict.fromkeys(("mean_rgb", "std_rgb", "divide_by_255"), transforms[0].file) if transforms else {}
    if prepared.size_hw is not None:
        said |= dict.fromkeys(("default_size_hw", "resize_filter"), transforms[0].file)
    if names is not None and len(names) == classes:
        said["class_names"] = "metadata.json"
    return Network(
        module,
        "semantic",
        mean_rgb=(prepared.mean,) * frame.channels,
        std_rgb=(prepared.std,) * frame.channels,
        divide_by_255="never" if transforms else "before",
        channel_order=frame.order,
        channels=frame.channels,
        class_names=names if names is not None and len(names) == classes else None,
        default_size_hw=prepared.size_hw,
        resize_filter=prepared.resize_filter,
        head=head or "logits",
        said=said,
    )
