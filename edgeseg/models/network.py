"""A network, with what its weights expect of pixels and what its outputs mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Real
from typing import get_args

from torch import nn

from edgeseg.errors import UsageError, shown
from edgeseg.spec import (
    LARGEST_VALUE,
    MAX_CHANNELS,
    MAX_SIDE,
    RGB_CHANNELS,
    ChannelOrder,
    DivideBy255,
    Head,
    InputType,
    PadSide,
    PerChannel,
    ResizeFilter,
    ResizePolicy,
    Task,
    unit_scale,
)

IMAGENET_MEAN_RGB: PerChannel = (0.485, 0.456, 0.406)
IMAGENET_STD_RGB: PerChannel = (0.229, 0.224, 0.225)
ZERO_MEAN_RGB: PerChannel = (0.0, 0.0, 0.0)
UNIT_STD_RGB: PerChannel = (1.0, 1.0, 1.0)

DESCRIBED: Mapping[str, str] = {
    "mean_rgb": "mean",
    "std_rgb": "deviation",
    "divide_by_255": "division by 255",
    "channel_order": "channel order",
    "resize": "way of resizing",
    "resize_filter": "resize filter",
    "pad_rgb": "padding",
    "default_size_hw": "size",
    "class_names": "class names",
}
"""Fields of `Network` that say what becomes of pixels and of class ids, in words."""

_CHOICES: Mapping[str, tuple[str | None, ...]] = {
    "task": get_args(Task),
    "resize": get_args(ResizePolicy),
    "resize_filter": (*get_args(ResizeFilter), None),
    "channel_order": get_args(ChannelOrder),
    "divide_by_255": get_args(DivideBy255),
    "pad_side": get_args(PadSide),
    "input_dtype": get_args(InputType),
}


@dataclass(frozen=True)
class Network:
    """A network and what it expects of the pixels.

    Attributes:
        module: turns a normalised image (N, C, H, W) into logits (N, C, h, w), alone or among other tensors,
            or into `Detections`.
        task: `semantic` or `instance`.
        mean_rgb: a number a channel, of pixels scaled to 0..1, or as `divide_by_255` says; of colours red
            first whatever the channel order, of `stored` channels in their own.
        std_rgb: likewise.
        class_names: by class id, background included; None where only the user knows them.
        default_size_hw: input size in pixels the weights were trained near; None if any will do.
        resize: how a frame should fill the input.
        resize_filter: by which filter the training resized its pictures, see `spec.InputSpec`; None where
            nobody knows, and `linear` is a guess.
        channel_order: `rgb`, `bgr`, or `grey` for a module that takes (N, 1, H, W), made of three colours by
            `spec.GREY_FROM_RGB`; of other than 3 channels `stored`, or, where the first three are colours,
            `rgb` or `bgr`.
        divide_by_255: how the training normalised pixels x in 0..255: `before`, (x / 255 - mean) / std;
            `never`, (x - mean) / std; `after`, ((x - mean) / std) / 255. Of uint16, 65535 takes the place of
            255, of float32 1.
        pad_rgb: what lies around a picture that keeps its ratio, a number a channel in the order of
            `mean_rgb`, in values of a frame's pixels; None stands for the mean.
        pad_side: where the bars of `letterbox` lie, see `spec.InputSpec`.
        size_divisor: what height and width of the input have to be multiples of.
        channels: of a frame, 1 to 16.
        input_dtype: of a frame's numbers.
        head: what a semantic module's output means, see `spec.HeadSpec`; None lets its values decide.
        head_threshold: probability above which a pixel is foreground, or belongs to a class that may overlap.
        output: which of several outputs counts, by its number or key; see `network_outputs.choose`.
        score_threshold: instances score more than this.
        max_detections: instances an image, at most.
        mask_threshold: probability from which on a pixel is inside an instance's mask.
        said: for a field of these, who says its value, in words that a user reads, such as
            `preprocessor_config.json`; what is not among them is assumed.
        notes: what a user should know of how the weights were loaded, a sentence each.

    Raises:
        UsageError: if a field is none of its choices, mean or deviation are not a number a channel, or the
            channel order does not fit the channels.
    """

    module: nn.Module
    task: Task
    mean_rgb: PerChannel = IMAGENET_MEAN_RGB
    std_rgb: PerChannel = IMAGENET_STD_RGB
    class_names: tuple[str, ...] | None = None
    default_size_hw: tuple[int, int] | None = None
    resize: ResizePolicy = "stretch"
    resize_filter: ResizeFilter | None = None
    channel_order: ChannelOrder = "rgb"
    divide_by_255: DivideBy255 = "before"
    pad_rgb: PerChannel | None = None
    pad_side: PadSide = "both"
    size_divisor: int = 1
    channels: int = RGB_CHANNELS
    input_dtype: InputType = "uint8"
    head: Head | None = None
    head_threshold: float = 0.5
    output: int | str | None = None
    score_threshold: float = 0.5
    max_detections: int = 100
    mask_threshold: float = 0.5
    said: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name, choices in _CHOICES.items():
            if (value := getattr(self, name)) not in choices:
                wanted = " or ".join(map(str, choices))
                raise UsageError(f"Network.{name} must be {wanted}, got {shown(value)}")
        for name, most in (("channels", MAX_CHANNELS), ("size_divisor", MAX_SIDE)):
            number = getattr(self, name)
            if type(number) is not int or not 1 <= number <= most:
                raise UsageError(f"Network.{name} must be 1 to {most}, got {shown(number)}")
        self._check_order()
        for name in ("mean_rgb", "std_rgb", "pad_rgb"):
            if (value := getattr(self, name)) is None and name == "pad_rgb":
                continue
            is_sequence = isinstance(value, Sequence) and len(value) == self.channels
            if not is_sequence or not all(isinstance(number, Real) for number in value):
                raise UsageError(f"Network.{name} must be {_numbers(self.channels)}, got {shown(value)}")

    def _check_order(self) -> None:
        order, channels = self.channel_order, self.channels
        if order == "grey" and channels != RGB_CHANNELS:
            raise UsageError(
                "a grey network's channel is made of the three colours of a frame; where frames have "
                f"{channels}, say channel_order='stored' (--channel-order stored)"
            )
        if order != "stored" and channels < RGB_CHANNELS:
            raise UsageError(
                f"{channels} channels are no colours: say channel_order='stored' (--channel-order stored)"
            )

    def unit_scale(self) -> tuple[PerChannel, PerChannel]:
        """Give mean and deviation, in the order of `mean_rgb`, for pixels scaled to 0..1."""
        return unit_scale(self.mean_rgb, self.std_rgb, self.divide_by_255, self.input_dtype)

    def padding(self) -> PerChannel:
        """Give what lies around a picture, in the order of `mean_rgb` and values of a frame's pixels."""
        if self.pad_rgb is not None:
            return tuple(self.pad_rgb)
        mean, _ = self.unit_scale()  # 0 after normalisation
        white = LARGEST_VALUE[self.input_dtype]
        values = tuple(white * value for value in mean)
        return values if self.input_dtype == "float32" else tuple(map(round, values))


def _numbers(channels: int) -> str:
    if channels == RGB_CHANNELS:
        return "three numbers, such as (0.485, 0.456, 0.406)"
    return f"{channels} numbers, one a channel" if channels > 1 else "one number, such as (0.5,)"
