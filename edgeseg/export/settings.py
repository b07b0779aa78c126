"""Settings of an export, and what of them is refused before any work is done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from edgeseg.errors import UsageError
from edgeseg.export.crf import stride_of
from edgeseg.export.ready.image import check_image
from edgeseg.export.ready.network import ReadyNetwork
from edgeseg.models.network import Network
from edgeseg.palette import Background, RGBColour
from edgeseg.proof.tolerances import FP32, Tolerances
from edgeseg.spec import (
    LARGEST_VALUE,
    LOGITS_HEAD,
    MAX_SIDE,
    RGB_CHANNELS,
    CRFSpec,
    Head,
    HeadSpec,
    Lowering,
    PerChannel,
)

MOST_DETECTIONS = 1000  # an image; far more than any mask head is run on
MOST_DEVIATION = 2  # times white: some divide by 256; of pixels in 0..255 deviations are far above 2


@dataclass(frozen=True)
class Settings:
    """How a network is exported.

    Attributes:
        name: of the network, for the record.
        size_hw: input size in pixels.
        lowering: how ROI-Align and suppression become nodes.
        output_kind: of semantic networks; by default logits, or labels where the network gives them itself.
        batch: images a run; the `onnx` lowering of instance networks takes one.
        score_threshold, max_detections: of instance networks.
        class_names: background first; by default the network's own, or numbers.
        num_classes: of a network that gives labels itself, where there are no names.
        checkpoint_sha256: of the weights, for the record.
        palette_rgb: a colour for each class; well separated ones by default.
        background: the class that overlays leave unpainted, or `none`; `named`: class 0 if its name says so.
        crf: has the graph of a semantic network refine its logits so.
        crf_stride: pixels per side of the CRF's cells, see `crf.stride_of`; by default what memory allows.
        tolerances: of the parity gate.
    """

    name: str
    size_hw: tuple[int, int]
    lowering: Lowering = "onnx"
    output_kind: Literal["labels", "logits"] | None = None
    batch: int = 1
    score_threshold: float = 0.5
    max_detections: int = 100
    class_names: Sequence[str] | None = None
    num_classes: int | None = None
    checkpoint_sha256: str | None = None
    palette_rgb: tuple[RGBColour, ...] = ()
    background: Background = "named"
    crf: CRFSpec | None = None
    crf_stride: int | None = None
    tolerances: Tolerances = FP32


def check_settings(network: Network, settings: Settings) -> None:
    """Refuse what cannot be exported before any work is done.

    Raises:
        UsageError: saying what to ask for instead.
    """
    height, width = settings.size_hw
    _check_ready(network, settings)
    if not (1 <= height <= MAX_SIDE and 1 <= width <= MAX_SIDE):
        raise UsageError(f"the input must be 1 to {MAX_SIDE} pixels a side, got {height}x{width}")
    if settings.batch < 1:
        raise UsageError(f"the batch must be at least 1, got {settings.batch}")
    _check_divisor(network, settings.size_hw)
    _check_normalisation(network)
    _check_padding(network)
    if settings.crf is None and settings.crf_stride is not None:
        raise UsageError("a stride of the CRF was given, but no CRF asked for; add --crf")
    if settings.crf is not None and (network.channels, network.input_dtype) != (RGB_CHANNELS, "uint8"):
        raise UsageError(
            "the CRF looks at the colours of a camera's frame, 3 channels of uint8; this network takes "
            f"{network.channels} of {network.input_dtype}: export it without --crf"
        )
    if network.task == "semantic":
        if settings.crf is not None:
            crf_stride_of(settings)
        if network.head is not None:
            check_head(network.head, settings)
        HeadSpec("logits", network.head_threshold)  # refuses what is out of range
        return
    output = None if isinstance(network.module, ReadyNetwork) else network.output
    if (network.head, network.head_threshold, output) != (None, LOGITS_HEAD.threshold, None):
        raise UsageError("a head, its threshold and the choice of an output are for semantic networks")
    if settings.crf is not None:
        raise UsageError(
            "the CRF refines one class per pixel, as U-Net and DeepLab give it, but Mask R-CNN gives a mask "
            "for each object; export it without --crf"
        )
    if settings.lowering == "onnx" and settings.batch != 1:
        raise UsageError(
            "the onnx lowering gives as many detections as it finds, so it takes 1 image a run, not "
            f"{settings.batch}; use the dense lowering for a batch"
        )
    if not 0.0 <= settings.score_threshold < 1.0:
        raise UsageError(
            f"the score threshold must be at least 0 and below 1, got {settings.score_threshold:g}"
        )
    if not 1 <= settings.max_detections <= MOST_DETECTIONS:
        raise UsageError(
            f"detections must be limited to 1 to {MOST_DETECTIONS}, got {settings.max_detections}"
        )


def _check_ready(network: Network, settings: Settings) -> None:
    if not isinstance(network.module, ReadyNetwork):
        return
    check_image(network.module.ready.input, network, settings.size_hw, settings.batch)
    if settings.lowering != "onnx":
        raise UsageError(
            "a graph that came ready keeps its own nodes: leave out --lowering, or export the module that it "
            "was made of"
        )


def check_head(head: Head, settings: Settings) -> None:
    """Refuse what a head cannot give.

    Raises:
        UsageError: saying what to ask for instead.
    """
    if head not in ("labels", "multilabel"):
        return
    if settings.crf is not None:
        raise UsageError(
            "the CRF weighs one class against the others by their logits, "
            + ("this network gives labels alone" if head == "labels" else "these classes may overlap")
            + "; export it without --crf"
        )
    if head == "labels" and settings.output_kind == "logits":
        raise UsageError("a network that gives labels itself has no logits; leave --output-kind out")
    if head == "multilabel" and settings.output_kind == "labels":
        raise UsageError(
            "classes that may overlap do not fit into one label a pixel; leave --output-kind out: "
            "the runtime makes masks of the logits"
        )


def output_kind_of(head: Head, settings: Settings) -> Literal["labels", "logits"]:
    """Give the kind of outputs that a semantic graph will have."""
    return settings.output_kind or ("labels" if head == "labels" else "logits")


def crf_stride_of(settings: Settings) -> int | None:
    """Give the stride of the graph's CRF, None if it has none; raises as `crf.stride_of`."""
    return stride_of(settings.size_hw, settings.batch, settings.crf_stride) if settings.crf else None


def _check_divisor(network: Network, size_hw: tuple[int, int]) -> None:
    divisor = network.size_divisor
    if any(side % divisor for side in size_hw):
        height, width = (max(round(side / divisor), 1) * divisor for side in size_hw)
        raise UsageError(
            f"the network takes sides that are multiples of {divisor}, got {size_hw[0]}x{size_hw[1]}; "
            f"the nearest is --size {height}x{width}"
        )


def _check_padding(network: Network) -> None:
    if network.input_dtype == "float32":
        return
    most = LARGEST_VALUE[network.input_dtype]
    if not all(0 <= value <= most and float(value).is_integer() for value in network.padding()):
        raise UsageError(
            f"the padding is of pixels as frames have them, whole numbers 0 to {most}, got "
            f"{_listed(network.padding())}"
        )


def _check_normalisation(network: Network) -> None:
    mean, std, form = network.mean_rgb, network.std_rgb, network.divide_by_255
    if network.input_dtype == "float32":  # such as degrees, metres, or what was scaled already
        if not all(value > 0.0 for value in std):
            raise UsageError(f"the deviation of float32 pixels must be above 0, got {_listed(std)}")
        return
    largest = LARGEST_VALUE[network.input_dtype]
    white = 1 if form == "before" else largest
    if not _are_of(mean, std, white):
        fix = ""
        if form == "before" and _are_of(mean, std, largest):
            fix = (
                f"; where the training computed (x - mean) / std from pixels x in 0..{largest}, say "
                f"--divide-by-255 never; where it computed ((x - mean) / std) / {largest}, "
                "--divide-by-255 after"
            )
        raise UsageError(
            f"mean and deviation are of pixels scaled to 0..{white} (--divide-by-255 {form}): the mean must "
            f"be 0 to {white}, the deviation above 0 and at most {MOST_DEVIATION * white}, got "
            f"{_listed(mean)} and {_listed(std)}{fix}"
        )
    if network.channel_order == "grey" and not len(set(mean)) == len(set(std)) == 1:
        raise UsageError(
            f"a grey network has one mean and one deviation, got {_listed(mean)} and {_listed(std)}; "
            "give each as one number, such as --mean 0.5 --std 0.5"
        )


def _are_of(mean: PerChannel, std: PerChannel, white: int) -> bool:
    """Whether they can be those of pixels in 0..white."""
    most = MOST_DEVIATION * white
    return all(0.0 <= value <= white for value in mean) and all(0.0 < value <= most for value in std)


def _listed(values: Sequence[float]) -> str:
    return ",".join(f"{value:g}" for value in values)
