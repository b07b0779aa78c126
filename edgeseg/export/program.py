"""Turn a network on normalised images into one that takes camera images and gives a task's outputs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edgeseg.errors import ExportError
from edgeseg.export.head import Reading, labels_from, logits_from
from edgeseg.export.ready.detections import ReadyDetector
from edgeseg.export.ready.network import ReadyNetwork
from edgeseg.export.settings import Settings, crf_stride_of, output_kind_of
from edgeseg.export.specification import check_stride
from edgeseg.intermediates import DETECTIONS, intermediate_names
from edgeseg.models.in_graph_crf import InGraphCRF
from edgeseg.models.mask_rcnn import MaskRCNN
from edgeseg.models.network import Network
from edgeseg.models.network_outputs import tensor_at
from edgeseg.spec import (
    DENSE_CRF,
    GREY_FROM_RGB,
    LARGEST_VALUE,
    RGB_CHANNELS,
    ChannelOrder,
    InputType,
    in_order,
)

BINARY = 2  # classes


class Preprocessing(nn.Module):
    """Camera image to network input: cast, channels first, BGR to RGB (or grey), mean and deviation.

    The cast comes first because TensorRT takes uint8 as an input but does not compute with it.

    Args:
        mean_rgb: a number a channel, of pixels scaled to 0..1; of colours red first.
        std_rgb: likewise.
        channel_order: of the result.
        dtype: of the image.
    """

    def __init__(
        self,
        mean_rgb: Sequence[float],
        std_rgb: Sequence[float],
        channel_order: ChannelOrder = "rgb",
        dtype: InputType = "uint8",
    ) -> None:
        super().__init__()
        mean, std = (
            torch.tensor(in_order(value, channel_order), dtype=torch.float64).reshape(1, -1, 1, 1)
            for value in (mean_rgb, std_rgb)
        )
        # (x / 255 - mean) / std = x * scale + shift
        self.register_buffer("scale", (1.0 / (LARGEST_VALUE[dtype] * std)).float())
        self.register_buffer("shift", (-mean / std).float())
        self.channels = len(mean_rgb)  # of the image
        self.reorders, self.is_grey = channel_order in ("rgb", "grey"), channel_order == "grey"
        if self.reorders:
            others = range(RGB_CHANNELS, len(mean_rgb))
            self.register_buffer("rgb_from_bgr", torch.tensor([2, 1, 0, *others]))
        if self.is_grey:
            self.register_buffer("grey_from_rgb", torch.tensor(GREY_FROM_RGB).reshape(1, 3, 1, 1))

    def forward(self, image: Tensor) -> Tensor:
        """Turn (N, H, W, C) of any type into float32 (N, C, H, W), or grey (N, 1, H, W).

        Of an image whose first channels are colours, these come as blue, green and red.
        """
        planes = image.to(torch.float32).permute(0, 3, 1, 2)
        if self.reorders:
            planes = planes.index_select(1, cast(Tensor, self.rgb_from_bgr))
        normalised = planes * cast(Tensor, self.scale) + cast(Tensor, self.shift)
        if self.is_grey:  # the weights add up to 1, so that grey may as well be taken after normalisation
            normalised = (normalised * cast(Tensor, self.grey_from_rgb)).sum(dim=1, keepdim=True)
        return normalised


class RawProgram(nn.Module):
    """Camera image to all that the network returns, before anything is known of it."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.preprocessing = _preprocessing(network)
        self.network = network.module

    def forward(self, image: Tensor) -> Any:
        """Run on (N, H, W, C)."""
        return self.network(self.preprocessing(image))


class SemanticProgram(nn.Module):
    """Camera image to logits or labels. A single channel becomes the two classes background and foreground.

    Args:
        preprocessing: makes the network's input.
        network: returns what `network_outputs.outputs_of` takes apart.
        reading: which of its tensors counts, and what that means.
        labels: whether labels are computed besides logits.
        crf: refines the logits at the image's resolution, if there is one.
    """

    def __init__(
        self,
        preprocessing: Preprocessing,
        network: nn.Module,
        reading: Reading,
        *,
        labels: bool,
        crf: InGraphCRF | None = None,
    ) -> None:
        super().__init__()
        self.preprocessing = preprocessing
        self.network = network
        self.reading = reading
        self.labels = labels
        self.add_module(DENSE_CRF, crf)

    @property
    def output_names(self) -> tuple[str, ...]:
        """Names of what `forward` returns."""
        if self.reading.head.kind == "labels":
            return ("labels",)
        return ("labels", "logits") if self.labels else ("logits",)

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """Score every pixel.

        Args:
            image: (N, H, W, C), see `Preprocessing`.

        Returns:
            labels (N, H, W) uint8, if wanted, and logits (N, C, h, w) float32 at the network's own stride, or
            refined ones at the image's resolution. Labels alone, where the network gives them.

        Raises:
            ExportError: if there is a CRF, and the network's logits do not cover the image.
        """
        return self.finish(tensor_at(self.network(self.preprocessing(image)), self.reading.key), image)

    def finish(self, raw: Tensor, image: Tensor) -> tuple[Tensor, ...]:
        """Turn the tensor that counts into the outputs; see `forward`."""
        size_hw = (image.shape[1], image.shape[2])
        if self.reading.head.kind == "labels":
            return (labels_from(raw, size_hw),)
        logits = logits_from(raw, self.reading)
        if (crf := getattr(self, DENSE_CRF)) is not None:
            check_stride(logits.shape[2:], size_hw)
            full = F.interpolate(logits, size=size_hw, mode="bilinear", align_corners=False)
            refined = crf(full, image)
            return (refined.argmax(dim=1).to(torch.uint8), refined) if self.labels else (refined,)
        return (_labels(logits, size_hw), logits) if self.labels else (logits,)


class InstanceProgram(nn.Module):
    """Camera image to detections."""

    output_names = ("boxes", "scores", "class_ids", "masks")

    def __init__(self, preprocessing: Preprocessing, network: MaskRCNN) -> None:
        super().__init__()
        self.preprocessing = preprocessing
        self.network = network

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """Find the objects in (N, H, W, C); returns the fields of `Detections`."""
        return tuple(self.network(self.preprocessing(image)))


class ProbedProgram(InstanceProgram):
    """Camera image to detections, and after them all intermediate values, see `edgeseg.intermediates`.

    Tracing it gives their names to values of the graph, by which a proof finds them.
    """

    def __init__(self, preprocessing: Preprocessing, network: MaskRCNN) -> None:
        super().__init__(preprocessing, network)
        # In a padded network the outputs are the detections themselves, and have a name already.
        doubled = DETECTIONS if network.padded else ()
        intermediates = intermediate_names(len(network.rpn.anchor_sizes))
        self.all_names = (*self.output_names, *(name for name in intermediates if name not in doubled))

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """Find the objects in (N, H, W, C); returns one tensor for each of `all_names`."""
        values: dict[str, Tensor] = {}
        detections = self.network(self.preprocessing(image), values.__setitem__)
        values.update(zip(self.output_names, detections, strict=True))
        return tuple(values[name] for name in self.all_names)


Program = SemanticProgram | InstanceProgram | ReadyDetector


@contextmanager
def open_program(network: Network, settings: Settings, reading: Reading | None = None) -> Iterator[Program]:
    """Make the program of a network; a Mask R-CNN gets the settings' limits, and its own back at the end.

    Args:
        reading: of a semantic network's output; a bare tensor of logits by default.

    Raises:
        ExportError: if an instance network is no Mask R-CNN of ours, and did not come as a graph.
    """
    preprocessing, module = _preprocessing(network), network.module
    if network.task == "semantic":
        stride = crf_stride_of(settings)
        refine = InGraphCRF(settings.crf, settings.size_hw, stride) if settings.crf and stride else None
        reading = reading or Reading()
        has_labels = output_kind_of(reading.head.kind, settings) == "labels"
        yield SemanticProgram(preprocessing, module, reading, labels=has_labels, crf=refine).eval()
        return
    if isinstance(module, ReadyNetwork):
        chosen = None if network.output is None else str(network.output)
        yield ReadyDetector(preprocessing, module, chosen).eval()
        return
    if not isinstance(module, MaskRCNN):
        raise ExportError(f"instance segmentation needs edgeseg's MaskRCNN, got {type(module).__name__}")
    heads = module.roi_heads
    own = module.padded, heads.score_threshold, heads.detections
    try:
        module.padded = settings.lowering == "dense"
        heads.score_threshold, heads.detections = settings.score_threshold, settings.max_detections
        yield InstanceProgram(preprocessing, module).eval()
    finally:
        module.padded, heads.score_threshold, heads.detections = own


def _preprocessing(network: Network) -> Preprocessing:
    return Preprocessing(*network.unit_scale(), network.channel_order, network.input_dtype)


def _labels(logits: Tensor, size_hw: tuple[int, int]) -> Tensor:
    """Pick the best class at the image's resolution, (N, H, W) uint8; of two classes by their difference."""
    is_binary = logits.shape[1] == BINARY
    scores = logits[:, 1:] - logits[:, :1] if is_binary else logits
    if tuple(scores.shape[2:]) != size_hw:
        scores = F.interpolate(scores, size=size_hw, mode="bilinear", align_corners=False)
    labels = scores[:, 0] > 0 if is_binary else scores.argmax(dim=1)
    return labels.to(torch.uint8)
