"""Draw the images that a network and its graph are compared on, where none are given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeseg.export.settings import Settings
from edgeseg.export.specification import describe_input
from edgeseg.models.network import Network
from edgeseg.scenes.inputs import input_images
from edgeseg.spec import GraphSpec

SCENE_SEEDS = (0, 1)  # of the demo's generator, compared on when no images are given
OTHER_SEEDS = range(50, 52)  # of pictures, where there are no scenes: they have a camera's colours

Draw = Callable[[range | tuple[int, ...]], NDArray[Any]]
"""Draws generated images of the network's input, (M, H, W, C), one a seed."""


def drawing(network: Network, settings: Settings) -> Draw:
    """Draw pictures of the colours that a camera gives, or of the channels that the network takes."""
    taken, graph = describe_input(network, settings), GraphSpec(*network.unit_scale())
    return lambda seeds: input_images(seeds, taken, graph)


def others(network: Network, settings: Settings) -> NDArray[Any]:
    """Draw what is compared on beside the golden pictures: scenes, where the input is a camera's."""
    from edgeseg.scenes.scene import generate

    if not describe_input(network, settings).takes_camera_frames:
        return drawing(network, settings)(OTHER_SEEDS)
    return np.stack([generate(seed, settings.size_hw).image for seed in SCENE_SEEDS])
