"""Describe a portable model: everything a runtime must know that the graph itself does not say.

A ModelSpec travels as JSON in the metadata of the `.onnx` file and in the manifest of every engine.
It is the whole contract between the training side and the device.

Graph input:  `image`   uint8    (N, H, W, 3)  BGR, as cameras give it; or of another number type and another
                                               number of channels, as `InputSpec` says
Graph output: `labels`  uint8    (N, H, W)     semantic, or
              `logits`  float32  (N, C, h, w)  semantic, at the network's own stride, or at the input's
                                               resolution where the graph does the CRF; the largest wins
                                               or, of a `multilabel` head, all above 0; or
              `boxes`   float32  (N, D, 4)     instance, xyxy in input pixels, with
              `scores`  float32  (N, D)        (0 marks padding in the dense lowering),
              `class_ids` int64  (N, D)        indices into `class_names`, and
              `masks`   float32  (N, D, M, M)  probability of the predicted class within its box
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Annotated, Any, Literal

from edgeseg.errors import RangeError, SpecError, shown
from edgeseg.limits import refuse_above
from edgeseg.palette import default_palette
from edgeseg.reading import parse_json
from edgeseg.records import Range, Ranged, from_json_value, to_json_value

SCHEMA_VERSION = 1
DENSE_CRF = "dense_crf"  # the module that a graph's CRF comes from
VOID_LABEL = 255  # of a pixel: no class, or "not sure"; in label maps to score by: not counted
MAX_CLASSES = VOID_LABEL  # labels are uint8
MAX_COLOUR = 255
MAX_CHANNELS = 16  # of an image; sensors of more bands want a network that looks at spectra
RGB_CHANNELS = 3
MAX_SIDE = 16384  # pixels; larger inputs are a mistake in the numbers, not a network
MAX_FRAME_SIDE = 1 << 20  # pixels; more than any picture file can have
MAX_BATCH = 4096  # images an inference
MAX_THREADS = 1024  # more than any processor has cores
MAX_ITERATIONS = 1000  # of mean field, which has settled after ten
MAX_DIMENSIONS = 8  # of an output

SIDE = Range(1, MAX_SIDE)
BATCH = Range(1, MAX_BATCH)
THREADS = Range(0, MAX_THREADS)  # 0 leaves their number to the library
FRACTION = Range(0, 1)
THRESHOLD = Range(0.001, 0.999)  # of probabilities that the graph still tells from 0 and 1
KERNEL_WIDTH = Range(0, 1e30, above=True)  # its square is a float64, and its inverse a float32
KERNEL_WEIGHT = Range(0, 1e30)
ITERATIONS = Range(0, MAX_ITERATIONS)  # 0 passes no message: labels stay those of the logits

Colour = Annotated[int, Range(0, MAX_COLOUR)]
Channels = Annotated[int, Range(1, MAX_CHANNELS)]
Level = Annotated[float, Range(-3.4e38, 3.4e38)]  # of a pixel in one channel, of any number type
Mean = Annotated[float, Range(-1e6, 1e6)]  # of pixels, whatever they are scaled to
Deviation = Annotated[float, Range(0, 1e6, above=True)]
Magnitude = Annotated[float, Range(0, 3.4e38)]  # of a tensor: the largest that int8 stands for
Size = Annotated[int, Range(0, 2**31 - 1)]  # of an axis of an output

Task = Literal["semantic", "instance"]
ChannelOrder = Literal["rgb", "bgr", "grey", "stored"]
"""Of the channels that a network takes.

`rgb`, `bgr`: the first three are colours, those after them come as they are. `grey`: one channel, made of the
three colours of a frame. `stored`: all as the frame holds them, colours or not.
"""
InputType = Literal["uint8", "uint16", "float32"]
PadSide = Literal["both", "right_bottom"]
DivideBy255 = Literal["before", "never", "after"]
ResizePolicy = Literal["stretch", "letterbox", "shortest_edge"]
ResizeFilter = Literal["linear", "antialias", "area", "pil"]
OutputKind = Literal["labels", "logits", "instances"]
Head = Literal["logits", "sigmoid", "softmax", "labels", "multilabel"]
Lowering = Literal["onnx", "dense"]
MaskPasting = Literal["whole_pixels", "pixel_centres"]
Precision = Literal["fp32", "fp16", "int8"]
CalibrationMethod = Literal["minmax", "percentile", "entropy", "mse"]
Int8Scheme = Literal["symmetric", "unsigned", "unsigned_io"]
"""The form of int8 that an engine fuses into int8 kernels.

`symmetric`: int8 activations with one scale; TensorRT takes nothing else.
`unsigned`: activations are uint8, those after a ReLU from 0, which spares their sign. OpenVINO 2026.4
computes a convolution after a Concat of tensors with and without a sign wrongly if both are int8 (it costs a
U-Net 1 to 3 points of mIoU), and rightly like this; see `padded_pools` for what else it would not.
`unsigned_io`: as `unsigned`, and every input and output of an int8 layer is quantised. ONNX Runtime on CPUs
fuses only between quantised tensors, and a ReLU only into unsigned ones. A layer whose output nothing reads
in int8 stays float, and so do transposed convolutions, for which it has no kernel.
"""

GREY_FROM_RGB = (0.299, 0.587, 0.114)
"""What `grey` means: ITU-R BT.601's luma, as OpenCV and Pillow compute it, here not rounded."""

PerChannel = tuple[float, ...]
"""A number a channel; of colours red first, those of other channels after them."""
WHITE = 255
LARGEST_VALUE: Mapping[InputType, int] = {"uint8": WHITE, "uint16": 65535, "float32": 1}
"""What pixels of a type are divided by where they are scaled to 0..1; float32 ones are taken as they are."""

OUTPUT_NAMES: Mapping[OutputKind, tuple[str, ...]] = {
    "labels": ("labels",),
    "logits": ("logits",),
    "instances": ("boxes", "scores", "class_ids", "masks"),
}


@dataclass(frozen=True)
class InputSpec(Ranged):
    """What the graph takes, and how a frame becomes it.

    `resize` says how a frame of any size fills `height` x `width`:
    `stretch` ignores the aspect ratio; `letterbox` keeps it and centres the picture between bars;
    `shortest_edge` keeps it, scales the short side as torchvision's detection models do, puts the
    picture at the top left and pads right and bottom. `pad_side` puts the bars of `letterbox` on `both` sides
    (the odd pixel right and below), or `right_bottom`. Bars and padding have the colour `pad_bgr`, a number a
    channel in the frame's own order.

    Frames have `channels` channels of `dtype`, which the graph takes as they are: 3 of uint8 are what cameras
    give. `channel_order` says of them whether the first three are blue, green and red (`bgr`), or nothing
    (`stored`). A float32 input takes frames of whole numbers, too. `size_divisor` is what the network wants
    height and width to be multiples of.

    `resize_filter` says what the pixels of the resized picture are, as in the training:
    `linear` interpolates between the nearest four, however much the frame shrinks (OpenCV's INTER_LINEAR,
    PyTorch's `interpolate` without `antialias`, torchvision's detection models); `antialias` smooths before
    it shrinks (PyTorch's and torchvision's bilinear with `antialias=True`); `pil` does so and rounds between
    columns and rows (Pillow's BILINEAR); `area` takes the mean of what a pixel covers (OpenCV's INTER_AREA).
    `resize_filter_known` is false where nobody said which one the training used.
    """

    height: Annotated[int, SIDE]
    width: Annotated[int, SIDE]
    batch: Annotated[int, BATCH] = 1
    resize: ResizePolicy = "stretch"
    resize_filter: ResizeFilter = "linear"
    resize_filter_known: bool = False
    pad_bgr: tuple[Level, ...] = ()
    channel_order: Literal["bgr", "stored"] = "bgr"
    pad_side: PadSide = "both"
    size_divisor: Annotated[int, SIDE] = 1
    channels: Channels = RGB_CHANNELS
    dtype: InputType = "uint8"

    def __post_init__(self) -> None:
        """Check the ranges, and that the input's pixels are within their limit; padding is 0 by default."""
        super().__post_init__()
        what = f"an input of {self.batch} x {self.height} x {self.width}"
        refuse_above("pixels", self.batch * self.height * self.width, what, SpecError)
        if self.height % self.size_divisor or self.width % self.size_divisor:
            raise SpecError(
                f"the network takes sides that are multiples of {self.size_divisor}, got "
                f"{self.height}x{self.width}"
            )
        if self.channel_order == "bgr" and self.channels < RGB_CHANNELS:
            raise SpecError(
                f"{self.channels} channels are not blue, green and red: channel_order must be 'stored'"
            )
        self._check_padding()

    def _check_padding(self) -> None:
        """Fill an empty colour, and hold a given one against channels and type."""
        pad = self.pad_bgr or (0,) * self.channels
        if len(pad) != self.channels:
            raise SpecError(f"pad_bgr must hold a number a channel, {self.channels}, got {len(pad)}")
        if self.dtype != "float32":
            most = LARGEST_VALUE[self.dtype]
            for index, value in enumerate(pad):
                if not (0 <= value <= most and float(value).is_integer()):
                    whole = "" if float(value).is_integer() else "a whole number, "
                    raise RangeError(f"pad_bgr[{index}] must be {whole}0 to {most}, got {value:g}")
            pad = tuple(map(int, pad))
        object.__setattr__(self, "pad_bgr", pad)

    @property
    def takes_camera_frames(self) -> bool:
        """Whether it takes what cameras and videos give: three channels of uint8."""
        return self.channels == RGB_CHANNELS and self.dtype == "uint8"


@dataclass(frozen=True)
class GraphSpec(Ranged):
    """What the graph already does, so that nothing outside does it again.

    Pixels are scaled to 0..1 (see `LARGEST_VALUE`), brought to `network_channel_order`, and normalised with
    mean and std, a number each a channel, both red first where there are colours, in the frame's own order
    where they are `stored`; a grey network's are three times the same. `divide_by_255` says in which form the
    training gave them (see `unit_scale`), so that they can be shown so. With a `crf_stride` the logits are
    refined by the fully connected CRF of the spec's parameters, its kernel between cells of so many pixels a
    side; None: there is no CRF.

    `float32_modules` names the parts of the graph, by their modules, that must stay float32 in every
    precision. The CRF is one: its squared distances are small differences of large products, row sums of its
    kernel exceed 65504, and its smoothing matrices look like trained weights, but are none.
    """

    mean_rgb: tuple[Mean, ...]
    std_rgb: tuple[Deviation, ...]
    lowering: Lowering = "onnx"
    network_channel_order: ChannelOrder = "rgb"
    divide_by_255: DivideBy255 = "before"
    crf_stride: Annotated[int, SIDE] | None = None
    float32_modules: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check the ranges, and add the CRF to the modules, which models written before do not name."""
        super().__post_init__()
        if not len(self.mean_rgb) == len(self.std_rgb) >= 1:
            raise SpecError(
                f"mean_rgb and std_rgb must hold a number a channel each, got {len(self.mean_rgb)} and "
                f"{len(self.std_rgb)}"
            )
        if not all(self.float32_modules):
            raise SpecError("float32_modules must hold the names of modules, got an empty one")
        if self.crf_stride is not None and DENSE_CRF not in self.float32_modules:
            object.__setattr__(self, "float32_modules", (*self.float32_modules, DENSE_CRF))


@dataclass(frozen=True)
class OutputSpec(Ranged):
    """One graph output; None in `shape` stands for a size that depends on the data."""

    name: str
    dtype: str
    shape: tuple[Size | None, ...]

    def __post_init__(self) -> None:
        """Check the ranges, and the number of axes."""
        super().__post_init__()
        if len(self.shape) > MAX_DIMENSIONS:
            raise RangeError(f"an output must have at most {MAX_DIMENSIONS} axes, got {len(self.shape)}")


@dataclass(frozen=True)
class Thresholds(Ranged):
    """Instances below `score` are dropped; a pixel is inside a mask at `mask` and above.

    `pasting` says how a mask's probabilities become those of pixels. `whole_pixels`: its box is truncated to
    whole pixels, and the mask resized to it (torchvision). `pixel_centres`: each pixel takes the probability
    at its centre, wherever the box begins and ends (detectron2, MMDetection).
    """

    score: Annotated[float, FRACTION] = 0.5
    mask: Annotated[float, FRACTION] = 0.5
    pasting: MaskPasting = "whole_pixels"


@dataclass(frozen=True)
class HeadSpec(Ranged):
    """What the network's own output means. The graph turns it into logits, or leaves labels as they are.

    `logits`: scores of any size, of which the largest wins; of one channel, the log-odds of the foreground.
    `sigmoid`: probabilities of one channel, the foreground's, or of several, of which the largest wins; the
    logits are then their logarithms.
    `softmax`: probabilities of several channels that sum to 1.
    `labels`: class ids, decided inside the network.
    `multilabel`: a channel a class, each decided for itself, so that classes may overlap or be absent.

    A pixel is foreground, or belongs to a class of a `multilabel` head, where its probability exceeds
    `threshold`. The graph subtracts log(threshold / (1 - threshold)) from the log-odds (those of the second
    class, where there are two), so that its logits decide at 0 whatever the threshold is. The runtime adds it
    again for the confidence; a CRF starts from, and its marginals are those of, the shifted logits.
    """

    kind: Head = "logits"
    threshold: Annotated[float, THRESHOLD] = 0.5

    @property
    def shift(self) -> float:
        """The log-odds of the threshold: what the graph has subtracted."""
        return math.log(self.threshold / (1.0 - self.threshold))


LOGITS_HEAD = HeadSpec()


@dataclass(frozen=True)
class CRFSpec(Ranged):
    """The fully connected CRF (Krähenbühl and Koltun 2011); widths hold for a frame of `height` pixels.

    0 iterations leave every label as it is, wherever the CRF runs.

    Raises:
        RangeError: naming the parameter that is out of range, as for every spec.
    """

    height: Annotated[int, Range(1, MAX_FRAME_SIDE)]
    appearance_position_px: Annotated[float, KERNEL_WIDTH] = 80.0
    appearance_colour: Annotated[float, KERNEL_WIDTH] = 13.0
    appearance_weight: Annotated[float, KERNEL_WEIGHT] = 10.0
    smoothness_position_px: Annotated[float, KERNEL_WIDTH] = 3.0
    smoothness_weight: Annotated[float, KERNEL_WEIGHT] = 3.0
    iterations: Annotated[int, ITERATIONS] = 5

    def scaled_to(self, height: int) -> CRFSpec:
        """Give the parameters for a frame of `height` pixels: widths in pixels grow with it."""
        factor = height / self.height
        return replace(
            self,
            height=height,
            appearance_position_px=self.appearance_position_px * factor,
            smoothness_position_px=self.smoothness_position_px * factor,
        )


@dataclass(frozen=True)
class Provenance:
    """Where the graph came from: network, weights and the tools that made it.

    Attributes:
        network: its name.
        checkpoint_sha256: of the weights.
        tools: versions of the libraries that made the graph.
        said: for each number of the preprocessing, by its name in `models.network.Network`, who says it: a
            file beside the weights, the training library, the user, or nobody.
    """

    network: str
    checkpoint_sha256: str | None = None
    tools: Mapping[str, str] = field(default_factory=dict)
    said: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ModelSpec(Ranged):
    """The contract between a graph and its runtime: what the graph itself does not say (docs/contract.md).

    Raises:
        SpecError: where fields contradict each other.
    """

    task: Task
    class_names: tuple[str, ...]
    input: InputSpec
    graph: GraphSpec
    output_kind: OutputKind
    outputs: tuple[OutputSpec, ...]
    source: Provenance
    palette_rgb: tuple[tuple[Colour, Colour, Colour], ...] = ()
    thresholds: Thresholds = Thresholds()
    crf: CRFSpec | None = None
    head: HeadSpec = LOGITS_HEAD
    schema_version: Annotated[int, Range(SCHEMA_VERSION, SCHEMA_VERSION)] = SCHEMA_VERSION

    def __post_init__(self) -> None:
        """Check what types cannot say, and fill an empty palette."""
        super().__post_init__()
        if not 1 <= len(self.class_names) <= MAX_CLASSES:
            raise SpecError(f"class_names must hold 1 to {MAX_CLASSES} names, got {len(self.class_names)}")
        if not self.palette_rgb:
            object.__setattr__(self, "palette_rgb", default_palette(self.class_names))
        if len(self.palette_rgb) != len(self.class_names):
            raise SpecError(
                f"palette_rgb must hold one colour a class: {len(self.class_names)} classes, "
                f"{len(self.palette_rgb)} colours"
            )
        if (self.output_kind == "instances") != (self.task == "instance"):
            raise SpecError(f"output_kind {self.output_kind!r} does not fit task {self.task!r}")
        if len(self.graph.mean_rgb) != self.input.channels:
            raise SpecError(
                f"mean_rgb must hold a number for each of {self.input.channels} channels, got "
                f"{len(self.graph.mean_rgb)}"
            )
        self._check_head()
        if self.graph.crf_stride is not None and (self.task != "semantic" or self.crf is None):
            raise SpecError(
                "a graph with a CRF must be semantic, and its spec must have the CRF's parameters"
            )
        if (names := tuple(output.name for output in self.outputs)) != OUTPUT_NAMES[self.output_kind]:
            raise SpecError(
                f"outputs of {self.output_kind!r} must be {OUTPUT_NAMES[self.output_kind]}, got {names}"
            )

    def _check_head(self) -> None:
        kind = self.head.kind
        if self.task == "instance" and self.head != LOGITS_HEAD:
            raise SpecError(f"a head of {kind!r} is for semantic networks, this one gives instances")
        if kind == "labels" and self.output_kind != "labels":
            raise SpecError("a network that gives labels itself has no logits: output_kind must be 'labels'")
        if kind == "multilabel" and (self.output_kind != "logits" or self.graph.crf_stride is not None):
            raise SpecError("classes that may overlap need output_kind 'logits', and no CRF in the graph")

    def to_json(self) -> str:
        """Return the spec as JSON with sorted keys: equal specs give equal bytes."""
        return json.dumps(to_json_value(self), sort_keys=True, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str | bytes) -> ModelSpec:
        """Read what `to_json` wrote.

        Raises:
            SpecError: if the text is not JSON, not a spec, or of another schema version.
        """
        try:
            value = parse_json(text, SpecError, "the spec")
        except ValueError as error:  # no JSON, or no text
            raise SpecError(f"the spec is not JSON: {error}") from error
        return cls.from_json_value(value)

    @classmethod
    def from_json_value(cls, value: Any) -> ModelSpec:
        """Read what `json.loads` made of a spec; raises as `from_json`."""
        version = value.get("schema_version") if isinstance(value, Mapping) else None
        if version != SCHEMA_VERSION:
            raise SpecError(
                f"the spec has schema version {shown(version)}, this edgeseg reads {SCHEMA_VERSION}; "
                "export the model again"
            )
        if unknown := sorted(map(str, set(value) - {item.name for item in fields(cls)})):
            raise SpecError(
                f"the spec has the unknown fields {shown(', '.join(unknown))}; a newer edgeseg has written "
                "it: install that one here, or export the model again"
            )
        return from_json_value(cls, value)


def in_order(values: Sequence[float], order: ChannelOrder) -> PerChannel:
    """Turn red first into blue first for a BGR network, and back; other channels stay where they are."""
    first, others = values[:RGB_CHANNELS], values[RGB_CHANNELS:]
    return (*first[::-1], *others) if order == "bgr" else tuple(values)


def unit_scale(
    mean: PerChannel, std: PerChannel, divide_by_255: DivideBy255, dtype: InputType = "uint8"
) -> tuple[PerChannel, PerChannel]:
    """Give the mean and deviation that do to pixels in 0..1 what these do to pixels x of their own type.

    Args:
        divide_by_255: with w the `LARGEST_VALUE` of the type, 255 of uint8, `before`: (x / w - mean) / std;
            `never`: (x - mean) / std; `after`: ((x - mean) / std) / w.
        dtype: of the pixels.
    """
    mean_by, std_by = _divisors(divide_by_255, dtype)
    return _scaled(mean, 1 / mean_by), _scaled(std, 1 / std_by)


def training_scale(
    mean: PerChannel, std: PerChannel, divide_by_255: DivideBy255, dtype: InputType = "uint8"
) -> tuple[PerChannel, PerChannel]:
    """Undo `unit_scale`."""
    mean_by, std_by = _divisors(divide_by_255, dtype)
    return _scaled(mean, mean_by), _scaled(std, std_by)


def _divisors(divide_by_255: DivideBy255, dtype: InputType) -> tuple[int, int]:
    white = LARGEST_VALUE[dtype]
    return 1 if divide_by_255 == "before" else white, white if divide_by_255 == "never" else 1


def _scaled(values: PerChannel, factor: float) -> PerChannel:
    return tuple(value * factor for value in values)
