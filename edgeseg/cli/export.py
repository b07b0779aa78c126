"""`edgeseg export`: trained weights become a portable ONNX model that computes the same, or nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args

import click

from edgeseg import label_sets
from edgeseg.cli.crf_options import CRF_PARAMETER_HELP, CRF_STRIDES, CRFParameter, crf_of
from edgeseg.cli.images import read_images
from edgeseg.cli.options import (
    COUNT,
    PATH,
    PROBABILITY,
    Number,
    Numbers,
    Size,
    normalisation,
    per_channel,
    read_class_names,
    status,
)
from edgeseg.cli.outputs import check_model_output
from edgeseg.cli.palette_options import BackgroundClass, read_palette
from edgeseg.cli.tables import print_parity
from edgeseg.errors import UsageError
from edgeseg.palette import Background
from edgeseg.spec import (
    MAX_CHANNELS,
    THRESHOLD,
    ChannelOrder,
    DivideBy255,
    Head,
    InputType,
    Lowering,
    PadSide,
    PerChannel,
    ResizeFilter,
    ResizePolicy,
)

OF_PIXELS_HELP = (
    "one number a channel in the network's own order (red first, or blue first with bgr), or one for all."
)
DIVIDE_HELP = (
    "How the training normalised pixels x in 0..255. before: (x / 255 - mean) / std. "
    "never: (x - mean) / std. after: ((x - mean) / std) / 255. Of uint16 frames 65535 takes the "
    "place of 255, and float32 ones are not divided.  [default: the network's own, else before]"
)
FILTER_HELP = (
    "What the training resized its pictures by. linear: OpenCV's default, or PyTorch's without antialias. "
    "antialias: torchvision's. area: OpenCV's INTER_AREA. pil: Pillow's BILINEAR.  [default: the network's "
    "own, else linear, which is then recorded as guessed]"
)
CHANNELS_HELP = (
    "Of a frame, 1 to 16. Other than 3 come from arrays in Python, and from .npy and TIFF files.  [default: "
    "the network's own, else 3]"
)
ORDER_HELP = (
    "Of the channels that the network takes. rgb, bgr: the first three are colours. grey: one channel made "
    "of three. stored: all as frames hold them."
)
TRUST_HELP = (
    "Read MODEL though it is a module that was pickled whole, which runs whatever the file wants to be run; "
    "what it names is printed before. Only for files of your own."
)
NORM_EPS_HELP = (
    "Epsilon of every batch normalisation, which weights do not hold. Needed as 0 for torchvision's COCO_V1 "
    "weights of maskrcnn_resnet50_fpn saved again, and for weights trained further from them; the published "
    "file itself is known."
)


@click.command()
@click.argument("model")
@click.option(
    "--weights",
    type=PATH,
    help="Trained weights: safetensors, or a state dict saved by torch.save; or a folder of them.",
)
@click.option(
    "--ema", is_flag=True, help="Take the moving average, or teacher, where the checkpoint holds one too."
)
@click.option(
    "--prefix", help="Take the weights whose names begin so, where a checkpoint holds several networks."
)
@click.option("--size", "size_hw", type=Size(), help="Input height x width in pixels, such as 480x640.")
@click.option(
    "--classes",
    "classes_path",
    type=PATH,
    metavar="FILE|NAME",
    help="Class names: a text file, one a line, background first; or those of a data set by its name: "
    f"{', '.join(label_sets.ALL)}.",
)
@click.option(
    "--num-classes",
    type=COUNT,
    help="Classes with background; read from the weights by default. Handed to a function of your own; a "
    "function without such a parameter may be given it with --head labels.",
)
@click.option(
    "--lowering",
    type=click.Choice(get_args(Lowering)),
    default="onnx",
    show_default=True,
    help="onnx: RoiAlign and NonMaxSuppression nodes. dense: static shapes, no such nodes.",
)
@click.option(
    "--head",
    type=click.Choice(get_args(Head)),
    help="What a semantic network's output means; by default logits, if its values look like nothing else.",
)
@click.option(
    "--head-threshold",
    type=Number(THRESHOLD.low, THRESHOLD.high),
    help="A pixel is foreground, or has a class of a multilabel head, above this probability. Default: 0.5.",
)
@click.option("--output-index", type=int, help="Which of several outputs counts, from 0; -1 is the last.")
@click.option(
    "--output-key",
    help="Which of several outputs counts, by its name, such as out or 1.logits; of a detector's graph "
    "boxes=NAME,scores=NAME,labels=NAME,masks=NAME,first=0, of which each may be left out: first is the "
    "label of the first class.",
)
@click.option(
    "--output-kind",
    type=click.Choice(["labels", "logits"]),
    help="Of semantic networks: class ids at the input's size, or scores at the network's own stride, which "
    "the runtime upsamples to the frame. Default: logits, where the network gives any.",
)
@click.option(
    "--score-threshold",
    type=PROBABILITY,
    help="Instances score more than this. Default: 0.5, if MODEL does not say it.",
)
@click.option(
    "--max-detections",
    type=COUNT,
    help="Instances an image, at most. Default: 100, if MODEL does not say it.",
)
@click.option("--crf", "with_crf", is_flag=True, help="Refine in the graph, by a dense CRF.")
@click.option(
    "--crf-stride",
    type=click.Choice([str(stride) for stride in CRF_STRIDES]),
    help="Pixels per side of the CRF's cells: 4 is closer, 8 takes a sixteenth of the memory. By default 4 "
    "if its kernel is small.",
)
@click.option(
    "--crf-parameter", "crf_parameters", type=CRFParameter(), multiple=True, help=CRF_PARAMETER_HELP
)
@click.option("--batch", type=COUNT, default=1, show_default=True, help="Images an inference.")
@click.option("--resize", type=click.Choice(get_args(ResizePolicy)), help="How a frame fills the input.")
@click.option("--resize-filter", type=click.Choice(get_args(ResizeFilter)), help=FILTER_HELP)
@click.option(
    "--pad-colour",
    type=Numbers(),
    help="What lies around a picture that keeps its ratio: values of a frame's pixels (0..255), "
    "in the network's own order.  [default: the network's own, else the mean]",
)
@click.option(
    "--pad-side",
    type=click.Choice(get_args(PadSide)),
    help="Where the bars of --resize letterbox lie.  [default: the network's own, else both]",
)
@click.option(
    "--size-divisor", type=COUNT, help="What height and width must be multiples of; other sizes are refused."
)
@click.option("--channels", type=click.IntRange(1, MAX_CHANNELS), help=CHANNELS_HELP)
@click.option(
    "--input-dtype",
    type=click.Choice(get_args(InputType)),
    help="Type of a frame's numbers, such as uint16 of a thermal camera's.  [default: the network's own, "
    "else uint8]",
)
@click.option("--channel-order", type=click.Choice(get_args(ChannelOrder)), help=ORDER_HELP)
@click.option("--mean", type=Numbers(), help=f"Of pixels, {OF_PIXELS_HELP}")
@click.option("--std", type=Numbers(), help=f"Standard deviation of pixels, {OF_PIXELS_HELP}")
@click.option("--divide-by-255", type=click.Choice(get_args(DivideBy255)), help=DIVIDE_HELP)
@click.option("--norm-eps", type=Number(0.0, 1.0), help=NORM_EPS_HELP)
@click.option(
    "--palette",
    "palette_path",
    type=PATH,
    metavar="FILE|NAME",
    help="Colours for overlays: a text file, one a line in the order of the classes, #rrggbb or r,g,b; or "
    "those of a data set by its name, as for --classes.",
)
@click.option(
    "--background",
    type=BackgroundClass(),
    help="The class that overlays leave unpainted. Default: class 0, if it is named background, void or so.",
)
@click.option(
    "--images", type=PATH, help="A folder of images, or one image, to prove on besides generated ones."
)
@click.option("--trust", is_flag=True, help=TRUST_HELP)
@click.option("-o", "--output", type=PATH, required=True, help="The .onnx file to write.")
def command(
    *,
    model: str,
    weights: Path | None,
    ema: bool,
    prefix: str | None,
    size_hw: tuple[int, int] | None,
    classes_path: Path | None,
    num_classes: int | None,
    lowering: Lowering,
    head: Head | None,
    head_threshold: float | None,
    output_index: int | None,
    output_key: str | None,
    output_kind: Literal["labels", "logits"] | None,
    score_threshold: float | None,
    max_detections: int | None,
    with_crf: bool,
    crf_stride: str | None,
    crf_parameters: tuple[tuple[str, float], ...],
    batch: int,
    resize: ResizePolicy | None,
    resize_filter: ResizeFilter | None,
    pad_colour: PerChannel | None,
    pad_side: PadSide | None,
    size_divisor: int | None,
    channels: int | None,
    input_dtype: InputType | None,
    channel_order: ChannelOrder | None,
    mean: PerChannel | None,
    std: PerChannel | None,
    divide_by_255: DivideBy255 | None,
    norm_eps: float | None,
    palette_path: Path | None,
    background: Background | None,
    images: Path | None,
    trust: bool,
    output: Path,
) -> None:
    """Turn trained weights into a portable ONNX model.

    MODEL is auto, which recognises the weights; a training library (FAMILY), or one of its networks
    (FAMILY:Architecture), as edgeseg inspect names them; a network of the zoo (unet, deeplabv3_resnet50,
    maskrcnn_resnet50_fpn, ...); or the place of a function that returns any nn.Module with semantic logits:
    package.module:function or file.py:function. Arguments may follow, in quotes:
    'file.py:build?encoder=resnet18&depth=5'. Or MODEL is a file that holds a network whole: an .onnx file,
    TorchScript, or a .pt2 of torch.export.

    The file is written only after ONNX Runtime has computed from it what PyTorch computes, or what the file
    itself computes that MODEL is.
    """
    check_model_output(output, reads=(weights, classes_path, palette_path))
    from edgeseg.export.entry import describe, notes_of, size_of
    from edgeseg.export.exporter import Settings, export_network
    from edgeseg.export.opening import open_trained
    from edgeseg.export.settings import check_settings
    from edgeseg.export.specification import describe_input

    names = None if classes_path is None else read_class_names(classes_path)
    if output_index is not None and output_key is not None:
        raise UsageError("an output is named by --output-index or by --output-key, not by both")
    opened = open_trained(
        model,
        weights,
        ema=ema,
        prefix=prefix,
        num_classes=num_classes,
        norm_eps=norm_eps,
        head=head,
        trust=trust,
        on_run=lambda said: click.echo(f"note: {said}", err=True),
    )
    order = channel_order or opened.network.channel_order
    count = channels or opened.network.channels
    network = describe(
        opened.network,
        channels=channels,
        input_dtype=input_dtype,
        mean_rgb=per_channel(mean, "--mean", count, order),
        std_rgb=per_channel(std, "--std", count, order),
        pad_rgb=per_channel(pad_colour, "--pad-colour", count, order),
        pad_side=pad_side,
        size_divisor=size_divisor,
        divide_by_255=divide_by_255,
        channel_order=channel_order,
        resize=resize,
        resize_filter=resize_filter,
        head=head,
        head_threshold=head_threshold,
        output=output_key if output_index is None else output_index,
        score_threshold=score_threshold,
        max_detections=max_detections,
        class_names=names,
        default_size_hw=size_hw,
    )
    for note in (*opened.notes, *notes_of(network)):
        click.echo(f"note: {note}", err=True)
    size_hw = size_of(network, opened.name, size_hw)
    if crf_parameters and not with_crf:
        raise UsageError("--crf-parameter was given, but no CRF asked for; add --crf")
    settings = Settings(
        name=opened.name,
        size_hw=size_hw,
        lowering=lowering,
        output_kind=output_kind,
        batch=batch,
        score_threshold=network.score_threshold,
        max_detections=network.max_detections,
        class_names=names,
        num_classes=num_classes,
        checkpoint_sha256=opened.checkpoint_sha256,
        palette_rgb=() if palette_path is None else read_palette(palette_path),
        background="named" if background is None else background,
        crf=crf_of(size_hw, crf_parameters) if with_crf else None,
        crf_stride=None if crf_stride is None else int(crf_stride),
    )
    check_settings(network, settings)
    frames = None if images is None else read_images(images, describe_input(network, settings))
    pixels = normalisation(
        *network.unit_scale(), network.channel_order, network.divide_by_255, network.input_dtype
    )
    with status(f"exporting {opened.name} at {size_hw[0]}x{size_hw[1]}; pixels: {pixels}") as say:
        exported = export_network(network, output, settings, images=frames, on_step=say)
    print_parity(exported.parity)
    click.echo(f"{output}: {output.stat().st_size / 1e6:.1f} MB; next: edgeseg build {output} -o ENGINE")
