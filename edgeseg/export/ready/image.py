"""Hold what a file takes as its image against what is asked for."""

from __future__ import annotations

from edgeseg.errors import UsageError
from edgeseg.graph.ready_model import GraphInput
from edgeseg.models.network import UNIT_STD_RGB, ZERO_MEAN_RGB, Network
from edgeseg.spec import RGB_CHANNELS, unit_scale


def check_image(image: GraphInput, network: Network, size_hw: tuple[int, int], batch: int) -> None:
    """Refuse sizes, channels and numbers that the file does not take.

    Raises:
        UsageError: saying what to ask for instead.
    """
    for axis, asked in (("H", size_hw[0]), ("W", size_hw[1])):
        if image.along(axis) not in (None, asked):
            sizes = "x".join(str(image.along(side) or "any") for side in "HW")
            raise UsageError(
                f"the file takes images of {sizes}, not {size_hw[0]}x{size_hw[1]}: ask for that --size, or "
                "export it again with sizes that may vary"
            )
    own_batch = image.along("N") if "N" in image.layout else 1
    if own_batch not in (None, batch):
        raise UsageError(f"the file takes {own_batch} images a run, not {batch}: say --batch {own_batch}")
    channels = 1 if network.channel_order == "grey" else network.channels
    own = image.along("C")
    if own not in (None, channels):
        say = "--channel-order grey" if own == 1 else "--channel-order rgb or bgr"
        if own not in (1, RGB_CHANNELS):
            say = f"--channels {own} --channel-order stored --mean M --std S, a number a channel"
        raise UsageError(
            f"the file takes images of {own} channels, and is to be given {channels} "
            f"({network.channel_order}): say {say}"
        )
    if image.dtype == "uint8" and network.unit_scale() != unit_scale(ZERO_MEAN_RGB, UNIT_STD_RGB, "never"):
        raise UsageError("it takes bytes, as cameras give them: leave out --mean, --std, --divide-by-255")
