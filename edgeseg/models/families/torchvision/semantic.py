"""Read from names and shapes of weights which semantic network of torchvision's they are of, and make it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import Tensor, nn

from edgeseg.errors import UsageError
from edgeseg.models.deeplab import ATROUS_RATES_STRIDE_8, DILATED_STAGES, DeepLabV3
from edgeseg.models.families.resnet_weights import CONV_AXES
from edgeseg.models.families.torchvision.backbones import Body, body_of
from edgeseg.models.fcn import FCN
from edgeseg.models.lraspp import LRASPP

DEEPLAB, FCN_HEAD, LRASPP_HEAD = "deeplabv3", "fcn", "lraspp"
LAST: Mapping[str, str] = {
    "classifier.0.convs.0.0.weight": DEEPLAB,
    "classifier.cbr.0.weight": LRASPP_HEAD,
    "classifier.0.weight": FCN_HEAD,
}
"""By a weight that each kind of head alone has."""

FUNCTIONS = (
    "deeplabv3_resnet50",
    "deeplabv3_resnet101",
    "deeplabv3_mobilenet_v3_large",
    "fcn_resnet50",
    "fcn_resnet101",
    "lraspp_mobilenet_v3_large",
)
"""torchvision's; on other backbones its class is named."""

CLASSES: Mapping[str, str] = {DEEPLAB: "DeepLabV3", FCN_HEAD: "FCN", LRASPP_HEAD: "LRASPP"}
DILATION, DILATED, RATES = "replace_stride_with_dilation", "dilated", "atrous_rates"
NEVER_DILATED = ("resnet18", "resnet34")  # torchvision dilates bottlenecks alone


@dataclass(frozen=True)
class SemanticForm:
    """What weights show of a semantic network.

    Attributes:
        kind: of its head.
        body: its backbone.
        num_classes: with background.
        head_channels: between the head's convolutions.
    """

    kind: str
    body: Body
    num_classes: int
    head_channels: int

    @property
    def architecture(self) -> str:
        """Name it as torchvision does."""
        function = f"{self.kind}_{self.body.name}"
        return function if function in FUNCTIONS else CLASSES[self.kind]

    @property
    def is_published(self) -> bool:
        """Tell whether a function of torchvision's makes it, of which all is known."""
        return self.architecture in FUNCTIONS

    @property
    def usual(self) -> dict[str, Any]:
        """Give torchvision's values of what weights do not show, by its names."""
        found: dict[str, Any] = {RATES: ATROUS_RATES_STRIDE_8} if self.kind == DEEPLAB else {}
        if self.body.is_resnet:
            found[DILATION] = DILATED_STAGES[32 if self.body.name in NEVER_DILATED else 8]
        elif self.body.name.startswith("mobilenet_v3"):
            found[DILATED] = True
        return found

    def make(self, norm_eps: float | None, **parameters: Any) -> nn.Module:
        """Make the network; the parameters are those of `usual`.

        Raises:
            UsageError: if they are none of this network's.
        """
        chosen = {**self.usual, **parameters}
        if chosen.keys() - self.usual.keys():
            raise UsageError(f"{self.architecture} takes {', '.join(self.usual) or 'no such arguments'}")
        norm = {} if norm_eps is None else {"norm_layer": partial(nn.BatchNorm2d, eps=norm_eps)}
        dilation = {name: chosen[name] for name in (DILATION, DILATED) if name in chosen}
        backbone = self.body.make(**norm, **dilation)
        if self.kind == DEEPLAB:
            rates = chosen[RATES]
            return DeepLabV3(backbone, self.num_classes, rates=rates, aspp_channels=self.head_channels)
        if self.kind == FCN_HEAD:
            return FCN(backbone, self.num_classes, head_channels=self.head_channels)
        return LRASPP(backbone, self.num_classes, inner_channels=self.head_channels)


def semantic_form(weights: Mapping[str, Tensor]) -> SemanticForm | None:
    """Read the form of a semantic network; None if its backbone or its head is none of torchvision's."""
    first = next((name for name in LAST if name in weights), None)
    if first is None or (body := body_of(weights, "backbone.")) is None:
        return None
    kind = LAST[first]
    last = "classifier.low_classifier.weight" if kind == LRASPP_HEAD else "classifier.4.weight"
    if last not in weights or any(weights[name].ndim != CONV_AXES for name in (first, last)):
        return None
    if kind == LRASPP_HEAD and body.is_resnet:
        return None  # its fine map is at stride 8 of a MobileNet
    return SemanticForm(kind, body, weights[last].shape[0], weights[first].shape[0])
