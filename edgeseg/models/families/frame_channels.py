"""Tell which frames a network takes by how many channels its first convolution has."""

from __future__ import annotations

from dataclasses import dataclass

from edgeseg.errors import CheckpointError
from edgeseg.spec import MAX_CHANNELS, ChannelOrder

GREY, COLOURS = 1, 3


@dataclass(frozen=True)
class Frame:
    """Of a frame, the number of channels, and the order in which the network takes them."""

    channels: int
    order: ChannelOrder


def frame_of(channels: int, source: str) -> Frame:
    """Give the frames for a network: of three channels in colour, of one in grey, else as they are stored.

    Args:
        channels: that the network takes.
        source: of its weights, for messages.

    Raises:
        CheckpointError: if they are more than frames have.
    """
    if channels == GREY:
        return Frame(COLOURS, "grey")
    if channels == COLOURS:
        return Frame(COLOURS, "rgb")
    if channels > MAX_CHANNELS:
        raise CheckpointError(f"{source} takes {channels} channels; frames have at most {MAX_CHANNELS}")
    return Frame(channels, "stored")
