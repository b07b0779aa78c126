"""U-Nets of milesial/Pytorch-UNet, and of tutorials, which are recognised by their shapes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edgeseg.errors import CheckpointError, UsageError
from edgeseg.models import unet
from edgeseg.models.checkpoints.checkpoint import Checkpoint
from edgeseg.models.checkpoints.loading import fitted_network
from edgeseg.models.families.family import Recognised, Source
from edgeseg.models.families.milesial.structure import find_structure, renamed
from edgeseg.models.network import Network

OWN, PLAIN = "UNet", "Plain"
JOIN = "join"
SKIP_FIRST, UP_FIRST = "skip_first", "up_first"
JOINS: Mapping[str, str] = {
    r"(downs|ups)\.\d+\.": SKIP_FIRST,  # of Aladdin Persson's tutorial
    r"encoder1\.enc1conv1\.": UP_FIRST,  # of mateuszbuda/brain-segmentation-pytorch
}
"""The order in which published U-Nets join maps, by the names of theirs."""

TUTORIALS = (
    r"(inc|downs?\d*|enc\w*|contract\w*)\.",
    r"(ups?\d*|dec\w*|expan\w*)\.",
    r"(conv\d*|bottleneck|bottom|bridge|mid\w*)\.",
    r"(out\w*|final\w*|last\w*|conv\w*)\.",
)
"""What the parts of a U-Net are called by those who write their own: contracting, expanding, bottom, last."""

PLAIN_NOTE = (
    "names are those of no library: shapes are a U-Net's, whose convolutions are taken to be padded, and "
    "followed by normalisation, then ReLU"
)


@dataclass(frozen=True)
class Milesial:
    """`UNet` by milesial's names and size, and `Plain`: the same network under other names."""

    name: str = "milesial"
    extra: str | None = None

    @property
    def layouts(self) -> Mapping[str, tuple[str, ...]]:
        """How the weights of each network are called."""
        own = (r"inc\.double_conv\.", r"down[1-4]\.maxpool_conv\.", r"up[1-4]\.(up|conv)\.", r"outc\.conv\.")
        return {OWN: own, PLAIN: TUTORIALS}

    def recognise(self, source: Source) -> Recognised | None:
        """Tell whether the weights are milesial's, of its own size, or have a U-Net's shapes."""
        if unet.is_unet(source.weights):
            parameters = unet.read_parameters(source.weights)
            if (parameters["width"], parameters["depth"]) != (unet.WIDTH, unet.DEPTH):
                return None  # another's of the same names, which the zoo recognises
            return Recognised(
                self.name, OWN, "certain", num_classes=int(parameters["num_classes"]), parameters=parameters
            )
        structure = find_structure(source.weights)
        if structure is None:
            return None
        classes = source.weights[f"{structure.classifier}.weight"].shape[0]
        parameters = {"width": structure.down[0].c_out, "depth": len(structure.up)}
        return Recognised(
            self.name, PLAIN, "guessed", num_classes=classes, parameters=parameters, unknown=(PLAIN_NOTE,)
        )

    def make(self, source: Source, recognised: Recognised, arguments: Mapping[str, Any]) -> Network:
        """Make the zoo's U-Net to the measure of the weights; of `Plain`, `join` says how maps are joined."""
        weights = dict(source.weights)
        given = dict(arguments)
        if recognised.architecture == PLAIN:
            structure = find_structure(weights)
            if structure is None:
                raise CheckpointError(
                    f"{source.path} does not have the shapes of a U-Net with up-convolutions"
                )
            join = given.pop(JOIN, None) or _known_join(source)
            if join not in (SKIP_FIRST, UP_FIRST):
                raise UsageError(
                    f"{source.path} has a U-Net's shapes, which do not show in which order torch.cat takes "
                    "the skip connection and the map from below: say "
                    f"'{recognised.model}?{JOIN}={SKIP_FIRST}' or {JOIN}={UP_FIRST}"
                )
            weights = renamed(weights, structure, skip_first=join == SKIP_FIRST)
        checkpoint = Checkpoint(source.path, source.sha256, weights, "", False)
        network, _ = fitted_network("unet", checkpoint, **given)
        return network


def _known_join(source: Source) -> str | None:
    return next(
        (join for name in source.weights for pattern, join in JOINS.items() if re.match(pattern, name)), None
    )
