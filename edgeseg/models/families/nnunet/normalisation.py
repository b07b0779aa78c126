"""Turn nnU-Net's normalisation into mean and deviation or, where those are of each image, into layers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import nn

from edgeseg.errors import CheckpointError, shown
from edgeseg.models.families.nnunet.plans import Configuration
from edgeseg.models.intensity import ClipAndScale, EachChannel, Rescale, Standardise
from edgeseg.spec import WHITE

LEAST_DEVIATION = 1e-8  # nnU-Net's
OWN_STATISTICS = ("ZScoreNormalization", "RescaleTo01Normalization")
WITH_STATISTICS_NOTE = (
    "nnU-Net normalised each image by its own values, and so does the graph, by those of its input: of a "
    "tile, where frames are cut into tiles, and of bars beside a picture, too"
)
BEYOND_BYTES_NOTE = (
    "the data set's intensities go beyond 0..255: frames have to hold them as they are, such as by "
    "--input-dtype float32"
)


@dataclass(frozen=True)
class Normalisation:
    """What becomes of pixels 0..255.

    Attributes:
        mean, std: of every channel.
        layer: that normalises instead; None where mean and deviation are enough.
        notes: what a user should know.
    """

    mean: float
    std: float
    layer: nn.Module | None = None
    notes: tuple[str, ...] = ()


def read_normalisation(
    configuration: Configuration, source: str, *, whole_image: bool = False
) -> Normalisation:
    """Read how the channels of a configuration are normalised.

    Args:
        source: where it is from, for messages.
        whole_image: take statistics of whole images even where the plans ask for those of what is not 0.

    Raises:
        CheckpointError: if a scheme is not known, or takes its statistics from within an outline.
    """
    schemes = configuration.schemes
    if not schemes:
        raise CheckpointError(f"the plans of {source} do not say how {configuration.name} normalises images")
    if any(configuration.masked) and "ZScoreNormalization" in schemes and not whole_image:
        raise CheckpointError(
            f"the plans of {source} normalise by what lies within an object's outline (use_mask_for_norm), "
            "which no graph finds; to take the whole image's statistics instead, say ?whole_image=True"
        )
    if set(schemes) == {"RGBTo01Normalization"}:
        return Normalisation(0.0, float(WHITE))
    if set(schemes) == {"NoNormalization"}:
        return Normalisation(0.0, 1.0)
    layers = [_layer(scheme, configuration, channel, source) for channel, scheme in enumerate(schemes)]
    notes = (WITH_STATISTICS_NOTE,) if set(schemes) & set(OWN_STATISTICS) else ()
    if any(isinstance(layer, ClipAndScale) and _is_beyond_bytes(layer) for layer in layers):
        notes = (*notes, BEYOND_BYTES_NOTE)
    same = len(layers) == 1 or (len(set(schemes)) == 1 and schemes[0] in OWN_STATISTICS)
    return Normalisation(0.0, 1.0, layers[0] if same else EachChannel(layers), notes)


def _layer(scheme: str, configuration: Configuration, channel: int, source: str) -> nn.Module:
    if scheme == "ZScoreNormalization":
        return Standardise()
    if scheme == "RescaleTo01Normalization":
        return Rescale()
    if scheme == "RGBTo01Normalization":
        return ClipAndScale(None, None, 0.0, float(WHITE))
    if scheme == "NoNormalization":
        return ClipAndScale(None, None, 0.0, 1.0)
    if scheme == "CTNormalization":
        return _ct(configuration.properties.get(str(channel)), channel, source)
    raise CheckpointError(
        f"the plans of {source} normalise by {shown(scheme)}, which is none of nnU-Net's own; put it before "
        "the network in a function of your own (file.py:function)"
    )


def _is_beyond_bytes(layer: ClipAndScale) -> bool:
    """Tell whether a data set's values are not those of bytes, as Hounsfield units are not."""
    return layer.low is not None and layer.high is not None and (layer.low < 0 or layer.high > WHITE)


def _ct(properties: Mapping[str, float] | None, channel: int, source: str) -> ClipAndScale:
    """Clip to what all but one in a hundred of the data set's values are within, then normalise by all."""
    try:
        low, high, mean, std = (
            float((properties or {})[name]) for name in ("percentile_00_5", "percentile_99_5", "mean", "std")
        )
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"the plans of {source} lack the intensities of channel {channel}, which CTNormalization takes"
        ) from error
    return ClipAndScale(low, high, mean, max(std, LEAST_DEVIATION))
