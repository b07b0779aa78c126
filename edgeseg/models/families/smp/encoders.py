"""Turn the weights of an encoder into its name: by a table of names and shapes that each encoder has.

`encoders.json` is written by `tools/families/smp_encoders.py` from the library itself.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from edgeseg.models.families.smp.decoders import ENCODER, Decoder, Shapes
from edgeseg.models.families.smp.fingerprint import fingerprint

TABLE = "encoders.json"
TIMM = "tu-"
MOST_STAGES = 5
UNIVERSAL = "model."  # timm's own encoders lie in one more module; some did not before 0.5


@dataclass(frozen=True, eq=False)
class Encoder:
    """Encoders that cannot be told apart, and need not be: they compute the same of the same pixels.

    Attributes:
        names: in the library's spelling; those of timm begin with `tu-`.
        channels: that each stage gives, the first at half the image's sides; 0 where one gives nothing.
        stem: name of the first convolution's weight.
        fingerprints: see `fingerprint`, by the number of stages that are made.
    """

    names: tuple[str, ...]
    channels: tuple[int, ...]
    stem: str
    fingerprints: Mapping[int, str]

    def depths(self, wanted: str) -> tuple[int, ...]:
        """Give the numbers of stages, most first, with which the weights have this fingerprint.

        Those of the library's own encoders have it with any.
        """
        if wanted not in self.fingerprints.values():
            return ()
        if not self.names[0].startswith(TIMM):
            return tuple(range(MOST_STAGES, 0, -1))
        return tuple(
            sorted((depth for depth, one in self.fingerprints.items() if one == wanted), reverse=True)
        )


@dataclass(frozen=True)
class Found:
    """What weights show of an encoder.

    Attributes:
        encoders: that have these weights; several of them compute differently.
        depth: stages; None where the weights leave it open.
        in_channels: of an image; None where the encoder is not known.
    """

    encoders: tuple[Encoder, ...]
    depth: int | None
    in_channels: int | None


def find_encoder(shapes: Shapes, decoder: Decoder) -> Found:
    """Find the encoders that have a network's weights.

    Args:
        shapes: of all weights of the network, by name.
        decoder: that was read from them; it says how many of the encoder's stages there are.
    """
    own = {name.removeprefix(ENCODER): shape for name, shape in shapes.items() if name.startswith(ENCODER)}
    deeper = {UNIVERSAL + name: shape for name, shape in own.items()}
    for spelled in (own, deeper):
        wanted = fingerprint(spelled)
        depths = {one: _depth(one, decoder, one.depths(wanted)) for one in table()}
        fitting = [one for one, depth in depths.items() if depth is not None]
        if fitting:
            return Found(tuple(fitting), depths[fitting[0]], spelled[fitting[0].stem][1])
    return Found((), decoder.depth, None)


def similar_encoders(decoder: Decoder) -> list[str]:
    """List the encoders whose last stage has the channels that a decoder takes; empty if it shows none."""
    if decoder.deepest_channels is None:
        return []
    return [one.names[0] for one in table() if decoder.deepest_channels in one.channels[2:]]


@cache
def table() -> tuple[Encoder, ...]:
    """Read the table."""
    text = files(__package__).joinpath(TABLE).read_text(encoding="utf-8")
    return tuple(
        Encoder(
            tuple(entry["names"]),
            tuple(entry["channels"]),
            entry["stem"],
            {int(depth): one for depth, one in entry["fingerprints"].items()},
        )
        for entry in json.loads(text)
    )


def _depth(encoder: Encoder, decoder: Decoder, depths: tuple[int, ...]) -> int | None:
    """Give the number of stages, of these, that a decoder is made for; None if it is for none of them."""
    wanted = decoder.depth
    if decoder.mapped_stages is not None:
        wanted = decoder.mapped_stages + (encoder.channels[0] == 0)
    fitting = [
        depth
        for depth in depths
        if wanted in (None, depth)
        and decoder.deepest_channels in (None, *encoder.channels[depth - 1 : depth])
    ]
    return fitting[0] if fitting else None
