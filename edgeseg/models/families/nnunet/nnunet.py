"""nnU-Net v2: recognise a results folder, or one of its checkpoints, and make its 2-d network."""

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
from edgeseg.models.families.nnunet.dataset import Dataset, read_dataset
from edgeseg.models.families.nnunet.normalisation import read_normalisation
from edgeseg.models.families.nnunet.plans import ARCHITECTURES, Configuration, operations, read_configuration
from edgeseg.models.intensity import Prepared
from edgeseg.models.network import Network

PACKAGE = "dynamic_network_architectures"
INIT, PLANS, DATASET = "init_args", "plans.json", "dataset.json"
OPTIONS = ("configuration", "fold", "whole_image")  # arguments of ours; the plans say all else
PREDICTION_NOTE = (
    "nnU-Net averages predictions of mirrored and overlapping patches; the graph predicts one patch as it is "
    "(nnUNetv2_predict --disable_tta)"
)


@dataclass(frozen=True)
class NnUNet:
    """`PlainConvUNet`, `ResidualEncoderUNet` and `ResidualUNet`, as plans describe them."""

    name: str = "nnunet"
    extra: str | None = "nnunet"

    @property
    def layouts(self) -> Mapping[str, tuple[str, ...]]:
        """How the weights of each network are called."""
        decoder = (
            r"decoder\.encoder\.",
            r"decoder\.stages\.\d+\.convs\.",
            r"decoder\.(transpconvs|seg_layers)\.\d+\.",
        )
        residual = (r"encoder\.stem\.convs\.", r"encoder\.stages\.\d+\.blocks\.", *decoder)
        plain = (r"encoder\.stages\.\d+\.\d+\.convs\.", *decoder)
        return dict(zip(ARCHITECTURES, (plain, residual, residual), strict=True))

    def recognise(self, source: Source) -> Recognised | None:
        """Tell by plans, and by the network's names, what the weights are.

        Raises:
            CheckpointError: if they are nnU-Net's, but without plans, or for volumes.
        """
        if not any(name.startswith("decoder.seg_layers.") for name in source.weights):
            return None
        configuration, dataset, said = _read(source, None)
        return Recognised(
            self.name,
            configuration.architecture,
            "certain",
            num_classes=dataset.channels,
            parameters={"configuration": configuration.name, **configuration.arguments},
            said=said,
            unknown=(
                *read_normalisation(configuration, str(source.path), whole_image=True).notes,
                PREDICTION_NOTE,
            ),
        )

    def make(self, source: Source, recognised: Recognised, arguments: Mapping[str, Any]) -> Network:
        """Make the network of the plans; arguments may name another configuration of them."""
        if odd := [name for name in arguments if name not in OPTIONS]:
            raise UsageError(f"nnunet takes {', '.join(OPTIONS)}, not {odd[0]}: the plans say all else")
        configuration, dataset, said = _read(source, arguments.get("configuration"))
        whole_image = arguments.get("whole_image") is True
        normalisation = read_normalisation(configuration, str(source.path), whole_image=whole_image)
        channels = len(dataset.channel_names)
        frame = frame_of(channels, str(source.path))
        module = _made(configuration, channels, dataset.channels, str(source.path))
        load_weights(module, source.weights, source=str(source.path), name=recognised.model)
        if normalisation.layer is not None:
            module = Prepared(normalisation.layer, module)
        return Network(
            module.eval(),
            "semantic",
            mean_rgb=(normalisation.mean,) * frame.channels,
            std_rgb=(normalisation.std,) * frame.channels,
            divide_by_255="never",
            channel_order="bgr" if dataset.is_bgr else frame.order,
            channels=frame.channels,
            class_names=dataset.class_names,
            default_size_hw=configuration.patch_hw,
            head=dataset.head,
            said=said,
        )


def _read(source: Source, wanted: Any) -> tuple[Configuration, Dataset, dict[str, str]]:
    """Read plans and data set, of the results folder or else of the checkpoint's own, and who says what."""
    stored = source.configs.get(INIT)
    stored = stored if isinstance(stored, Mapping) else {}
    plans, dataset = source.configs.get(PLANS), source.configs.get(DATASET)
    files = (PLANS, DATASET)
    if not isinstance(plans, Mapping) or not isinstance(dataset, Mapping):
        plans, dataset = stored.get("plans"), stored.get("dataset_json")
        files = ("the checkpoint's plans", "the checkpoint's dataset_json")
    if not isinstance(plans, Mapping) or not isinstance(dataset, Mapping):
        raise CheckpointError(
            f"{source.path} has the names of nnU-Net's networks, but no plans of its own, and no plans.json "
            "or dataset.json beside it: give the results folder, or put both beside it"
        )
    trained = stored.get("configuration")
    name = wanted if wanted is not None else trained if isinstance(trained, str) else None
    configuration = read_configuration(plans, name, str(source.path))
    said = {
        **dict.fromkeys(("mean_rgb", "std_rgb", "divide_by_255", "default_size_hw"), files[0]),
        **dict.fromkeys(("class_names", "channel_order"), files[1]),
    }
    return configuration, read_dataset(dataset, str(source.path)), said


def _made(configuration: Configuration, channels: int, classes: int, source: str) -> nn.Module:
    unet = require(f"{PACKAGE}.architectures.unet", "nnunet")
    blocks = require(f"{PACKAGE}.building_blocks.residual", "nnunet")
    network = getattr(unet, configuration.architecture)
    try:
        module: nn.Module = network(
            input_channels=channels,
            num_classes=classes,
            deep_supervision=False,  # heads of coarser levels serve training; the finest counts
            **operations(configuration.arguments, blocks),
        )
    except Exception as error:  # the plans may say anything
        raise CheckpointError(
            f"the plans of {source} make no {configuration.architecture}: {one_line(str(error))}"
        ) from error
    return module
