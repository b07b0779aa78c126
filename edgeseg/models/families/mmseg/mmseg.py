"""mmsegmentation: recognise its U-Net, DeepLabV3, DeepLabV3+, PSPNet and FCN, and make them.

They are made of edgeseg's own parts; the library itself is not needed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edgeseg.errors import CheckpointError, UsageError, one_line
from edgeseg.models.checkpoints.loading import load_weights
from edgeseg.models.families.family import Recognised, Source
from edgeseg.models.families.mmseg.networks import CLASSIFIER, make, read_network
from edgeseg.models.families.mmseg.settings import read_class_names, read_model, read_pixels, read_size
from edgeseg.models.network import Network

BINARY_THRESHOLD = 0.3  # mmsegmentation's, where one channel decides and the configuration does not say it
FOR_TRAINING = "auxiliary_head."
CONFIG_SAYS = "the checkpoint's configuration"
BACKBONE = r"backbone\.(stem|conv1|bn1|layer[1-4])\."
UNET = (r"backbone\.encoder\.\d+\.", r"backbone\.decoder\.\d+\.")
CLASSIFIED = r"decode_head\.conv_seg\."
ASPP = (
    r"decode_head\.image_pool\.",
    r"decode_head\.aspp_modules\.",
    r"decode_head\.bottleneck\.",
    CLASSIFIED,
)
PSP = (r"decode_head\.psp_modules\.", r"decode_head\.bottleneck\.", CLASSIFIED)
FCN = (r"decode_head\.convs\.", CLASSIFIED)


@dataclass(frozen=True)
class MMSeg:
    """Encoder and decoder of mmsegmentation."""

    name: str = "mmseg"
    extra: str | None = None

    @property
    def layouts(self) -> Mapping[str, tuple[str, ...]]:
        """How the weights of each network are called."""
        fine = (r"decode_head\.c1_bottleneck\.", r"decode_head\.sep_bottleneck\.")
        return {
            "UNet": (*UNET, *FCN),
            "UNet-DeepLabV3": (*UNET, *ASPP),
            "UNet-PSPNet": (*UNET, *PSP),
            "DeepLabV3": (BACKBONE, *ASPP),
            "DeepLabV3Plus": (BACKBONE, *ASPP, *fine),
            "PSPNet": (BACKBONE, *PSP),
            "FCN": (BACKBONE, *FCN),
        }

    def recognise(self, source: Source) -> Recognised | None:
        """Tell which network has these names, and with which parameters."""
        read = read_network(source.weights, read_model(source.configs))
        if read is None:
            return None
        said = {}
        pixels = read_pixels(source.configs)
        if pixels.known:
            said = dict.fromkeys(("mean_rgb", "std_rgb", "divide_by_255", "channel_order"), CONFIG_SAYS)
        unknown = [f"weights do not show {text}" for text in read.assumed]
        if not pixels.known:
            unknown.append(
                "nothing says how pixels were normalised: by ImageNet's mean and deviation, in RGB, is taken"
            )
        return Recognised(
            self.name,
            read.architecture,
            "likely" if read.assumed else "certain",
            backbone=read.backbone,
            num_classes=source.weights[CLASSIFIER].shape[0],
            parameters=read.parameters,
            said=said,
            unknown=tuple(unknown),
        )

    def make(self, source: Source, recognised: Recognised, arguments: Mapping[str, Any]) -> Network:
        """Make the network of edgeseg's parts; arguments are those that weights do not show."""
        model = read_model(source.configs)
        read = read_network(source.weights, model)
        if read is None or read.architecture != recognised.architecture:
            raise CheckpointError(f"{source.path} does not have the names of {recognised.model}")
        given = {name: value for name, value in arguments.items() if name != "num_classes"}
        if odd := [name for name in given if name not in read.parameters]:
            raise UsageError(f"{recognised.model} takes {', '.join(read.parameters)}, not {odd[0]}")
        try:
            module = make(source.weights, {**read.parameters, **given})
        except (KeyError, TypeError, IndexError, ValueError) as error:  # names of others, or odd arguments
            raise CheckpointError(
                f"{source.path} makes no {recognised.model}: {type(error).__name__} {one_line(str(error))}"
            ) from error
        kept = {name: value for name, value in source.weights.items() if not name.startswith(FOR_TRAINING)}
        load_weights(module, kept, source=str(source.path), name=recognised.model)
        return _described(source, module.eval(), model)


def _described(source: Source, module: Any, model: Mapping[str, Any]) -> Network:
    pixels, names = read_pixels(source.configs), read_class_names(source.configs)
    size_hw = read_size(source.configs)
    channels = source.weights[CLASSIFIER].shape[0]
    binary = channels == 1
    head = model.get("decode_head")
    threshold = head.get("threshold") if isinstance(head, Mapping) else None
    classes = 2 if binary else channels
    said = {"resize_filter": "mmsegmentation, which resizes by OpenCV"}
    if names is not None and len(names) == classes:
        said["class_names"] = "the checkpoint's meta"
    if size_hw is not None:
        said["default_size_hw"] = CONFIG_SAYS
    return Network(
        module,
        "semantic",
        mean_rgb=pixels.mean_rgb,
        std_rgb=pixels.std_rgb,
        divide_by_255="never",
        channel_order=pixels.channel_order,
        class_names=names if names is not None and len(names) == classes else None,
        default_size_hw=size_hw,
        resize_filter="linear",
        head="logits",
        head_threshold=(threshold or BINARY_THRESHOLD) if binary else 0.5,
        said=said,
    )
