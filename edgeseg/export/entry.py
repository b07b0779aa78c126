"""Turn what a training script has in its hands into a portable model: what users import."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

from numpy.typing import NDArray
from torch import nn

from edgeseg.errors import UsageError
from edgeseg.export.exporter import Exported, export_network
from edgeseg.export.opening import open_trained
from edgeseg.export.said import USER, said_notes, who_said
from edgeseg.export.settings import Settings
from edgeseg.export.specification import FILTER_NOTE
from edgeseg.models.network import Network
from edgeseg.palette import Background, RGBColour
from edgeseg.spec import (
    RGB_CHANNELS,
    ChannelOrder,
    CRFSpec,
    DivideBy255,
    Head,
    InputType,
    Lowering,
    PadSide,
    PerChannel,
    ResizeFilter,
    ResizePolicy,
)


def export(
    network: nn.Module | Network | str,
    output: str | Path,
    *,
    size_hw: tuple[int, int] | None = None,
    class_names: Sequence[str] | None = None,
    weights: str | Path | None = None,
    ema: bool = False,
    prefix: str | None = None,
    num_classes: int | None = None,
    norm_eps: float | None = None,
    channels: int | None = None,
    input_dtype: InputType | None = None,
    mean_rgb: PerChannel | None = None,
    std_rgb: PerChannel | None = None,
    divide_by_255: DivideBy255 | None = None,
    channel_order: ChannelOrder | None = None,
    resize: ResizePolicy | None = None,
    resize_filter: ResizeFilter | None = None,
    pad_rgb: PerChannel | None = None,
    pad_side: PadSide | None = None,
    size_divisor: int | None = None,
    head: Head | None = None,
    head_threshold: float | None = None,
    output_of: int | str | None = None,
    output_kind: Literal["labels", "logits"] | None = None,
    lowering: Lowering = "onnx",
    batch: int = 1,
    score_threshold: float | None = None,
    max_detections: int | None = None,
    crf: bool | CRFSpec = False,
    crf_stride: int | None = None,
    palette_rgb: Sequence[RGBColour] = (),
    background: Background = "named",
    images: NDArray[Any] | None = None,
    trust: bool = False,
    on_step: Callable[[str], None] = lambda step: None,
) -> Exported:
    """Write a network as one ONNX file, once it is proven to compute what PyTorch computes.

    This is `edgeseg export`. What is None is as the network says it, see `Network`: a module says nothing of
    its pixels, which are then RGB, normalised by ImageNet's mean and deviation.

    Args:
        network: a module with semantic logits or edgeseg's `MaskRCNN`, of which a copy is exported, on the
            CPU and in evaluation mode; the same with what it expects, as a `Network`; or a name as
            `zoo.create` takes it; or `auto`, `FAMILY` or `FAMILY:Architecture` of a training library, whose
            weights are then recognised; or the path of a file that holds a network whole: `.onnx`,
            TorchScript, `.pt2`.
        output: the `.onnx` file.
        size_hw: input height and width in pixels; a network of the zoo has one of its own.
        class_names: one a class, background first.
        weights: a checkpoint to load: safetensors, or a state dict saved by `torch.save`; or a folder that
            holds one, or shards.
        ema: take the checkpoint's moving average of the weights.
        prefix: take the weights whose names begin so.
        num_classes: background included, of a network given by name; read from the weights by default.
        norm_eps: epsilon of every batch normalisation, which weights do not hold.
        channels: of a frame, 1 to 16; with other than a network's own also say `channel_order` (which 1 and 2
            do not need), `mean_rgb` and `std_rgb`.
        input_dtype: of a frame's numbers: `uint8`, `uint16` or `float32`; likewise.
        mean_rgb: a number a channel, of pixels scaled to 0..1, or as `divide_by_255` says; of colours red
            first whatever the channel order.
        std_rgb: likewise.
        divide_by_255: how the training normalised pixels: `before`, `never` or `after`; see `Network`.
        channel_order: that the network takes: `rgb`, `bgr`, `grey` or `stored`; see `spec.ChannelOrder`.
        resize: how a frame fills the input: `stretch`, `letterbox` or `shortest_edge`.
        resize_filter: what the training resized its pictures by: `linear`, `antialias`, `area` or `pil`; see
            `spec.InputSpec`. Where neither this nor the network says it, `linear` is guessed.
        pad_rgb: what lies around a picture that keeps its ratio, in values of a frame's pixels; the mean by
            default.
        pad_side: where the bars of `letterbox` lie: `both` or `right_bottom`.
        size_divisor: what height and width have to be multiples of.
        head: what a semantic network's output means; by default logits, if its values look like nothing else.
        head_threshold: a pixel is foreground, or has a class of a multilabel head, above this probability.
        output_of: which of a module's outputs counts, by its number or key.
        output_kind: of semantic networks: `labels` at the input's size, or `logits` at the network's stride.
        lowering: of instance networks: `onnx` (RoiAlign and NonMaxSuppression) or `dense` (static shapes).
        batch: images an inference.
        score_threshold: instances score more than this; 0.5 if MODEL does not say it.
        max_detections: instances an image, at most; likewise 100.
        crf: refine a semantic network's logits in the graph; a `CRFSpec` says how.
        crf_stride: pixels per side of the CRF's cells, 4 or 8; by default what memory allows.
        palette_rgb: a colour (0..255) for each class; well separated ones by default.
        background: the class that overlays leave unpainted, or `none`; by default class 0 if its name
            says so.
        images: (M, H, W, C) of the input's size and type, BGR where they are colours, to prove on besides
            generated ones.
        trust: read a file of a pickled module, which runs whatever it wants to; never one from elsewhere.
        on_step: told what happens next, for a progress display.

    Returns:
        What was written, with the proof.

    Raises:
        CheckpointError: if the weights cannot be read or do not fit.
        ExportError: if the network fails, cannot be traced, or the file cannot be written.
        MissingExtraError: if ONNX Runtime is not installed.
        ParityError: if the graph does not compute what PyTorch computes; nothing is written.
        ShapeError: if `images` are of another shape or type.
        UsageError: if what is asked contradicts itself or the network.

    Examples:
        >>> from torch import nn
        >>> from edgeseg.export import export
        >>> network = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 2, 1))
        >>> made = export(network, "model.onnx", size_hw=(48, 64), class_names=("ground", "crack"))
        >>> made.parity.passed, made.spec.class_names
        (True, ('ground', 'crack'))
    """
    opened = open_trained(
        network,
        None if weights is None else Path(weights),
        ema=ema,
        prefix=prefix,
        num_classes=num_classes,
        norm_eps=norm_eps,
        head=head,
        trust=trust,
        on_run=on_step,
    )
    described = describe(
        opened.network,
        channels=channels,
        input_dtype=input_dtype,
        mean_rgb=mean_rgb,
        std_rgb=std_rgb,
        divide_by_255=divide_by_255,
        channel_order=channel_order,
        resize=resize,
        resize_filter=resize_filter,
        pad_rgb=pad_rgb,
        pad_side=pad_side,
        size_divisor=size_divisor,
        head=head,
        head_threshold=head_threshold,
        output=output_of,
        score_threshold=score_threshold,
        max_detections=max_detections,
        class_names=None if class_names is None else tuple(class_names),
        default_size_hw=size_hw,
    )
    size_hw = size_of(described, opened.name, size_hw)
    settings = Settings(
        name=opened.name,
        size_hw=size_hw,
        lowering=lowering,
        output_kind=output_kind,
        batch=batch,
        score_threshold=described.score_threshold,
        max_detections=described.max_detections,
        class_names=None if class_names is None else tuple(class_names),
        num_classes=num_classes,
        checkpoint_sha256=opened.checkpoint_sha256,
        palette_rgb=tuple(palette_rgb),
        background=background,
        crf=crf if isinstance(crf, CRFSpec) else CRFSpec(height=size_hw[0]) if crf else None,
        crf_stride=crf_stride,
    )
    exported = export_network(described, Path(output), settings, images=images, on_step=on_step)
    return dataclasses.replace(exported, notes=(*opened.notes, *notes_of(described)))


def describe(network: Network, **said: Any) -> Network:
    """Put what a user says of a network over what it says of itself; None says nothing.

    Args:
        said: fields of `Network`.

    Raises:
        UsageError: if a field is none of its choices, or the form of the normalisation, or another kind of
            input is given, but not its numbers.
    """
    _ask_for_pixels(network, said)
    form = said.get("divide_by_255")
    if form not in (None, network.divide_by_255) and None in (said.get("mean_rgb"), said.get("std_rgb")):
        raise UsageError(f"--divide-by-255 {form} says what --mean and --std are of: give both")
    given = {name: value for name, value in said.items() if value is not None}
    own = [*given, "divide_by_255"] if {"mean_rgb", "std_rgb"} <= given.keys() else given  # of the same form
    return dataclasses.replace(network, **given, said={**network.said, **dict.fromkeys(own, USER)})


def _ask_for_pixels(network: Network, said: dict[str, Any]) -> None:
    """Refuse another kind of input whose normalisation nobody says; of 1 and 2 channels know the order."""
    channels = said.get("channels") or network.channels
    dtype = said.get("input_dtype") or network.input_dtype
    if (channels, dtype) == (network.channels, network.input_dtype):
        return
    of = f"{channels} {'channel' if channels == 1 else 'channels'} of {dtype}"
    if None in (said.get("mean_rgb"), said.get("std_rgb")):
        raise UsageError(
            f"nobody says how pixels of {of} were normalised: give --mean and --std, a number a channel "
            "(0 and 1 where they were only scaled to 0..1)"
        )
    if channels != network.channels and said.get("channel_order") is None:
        if channels < RGB_CHANNELS:
            said["channel_order"] = "stored"
        else:
            raise UsageError(
                f"which of {channels} channels are colours? Say --channel-order rgb (or bgr) where the "
                "network takes colours first, which frames hold as blue, green and red; stored where it "
                "takes all channels as a frame holds them"
            )


def notes_of(network: Network) -> tuple[str, ...]:
    """Say who said each number of the preprocessing, and name the resize filter where it is guessed."""
    said = said_notes(who_said(network))
    return (*said, FILTER_NOTE) if network.resize_filter is None else tuple(said)


def size_of(network: Network, name: str, asked: tuple[int, int] | None) -> tuple[int, int]:
    """Give the input's height and width: what is asked for, or the network's own.

    Raises:
        UsageError: if it has none.
    """
    size_hw = asked or network.default_size_hw
    if size_hw is None:
        raise UsageError(f"{name} has no size of its own: give --size, such as --size 512x512")
    return size_hw
