"""Open a file that holds a network whole: `.onnx`, TorchScript, `.pt2`, or a trusted pickled module."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edgeseg.errors import UsageError
from edgeseg.export.ready.exported_program import open_exported_program
from edgeseg.export.ready.network import ReadyNetwork
from edgeseg.export.ready.onnx_file import open_onnx
from edgeseg.export.ready.torchscript import open_torchscript
from edgeseg.graph.detections import looks_like_detections
from edgeseg.graph.own_normalisation import OwnNormalisation, own_normalisation
from edgeseg.graph.ready_model import GraphInput
from edgeseg.manifest import sha256_of
from edgeseg.models.checkpoints.pickled_module import open_pickled_module
from edgeseg.models.checkpoints.torchscript_code import is_torchscript
from edgeseg.models.network import UNIT_STD_RGB, ZERO_MEAN_RGB, Network
from edgeseg.models.zoo import network_of

ONNX, PT2 = ".onnx", ".pt2"
SUFFIXES = (ONNX, PT2, ".pt", ".pth", ".ts", ".torchscript", ".jit")
GREY = 1  # channels
PIXELS = ("mean_rgb", "std_rgb", "divide_by_255")
UNSAID = (
    "nothing in {name} says how its pixels are normalised: what --mean, --std, --divide-by-255 and "
    "--channel-order leave out is assumed, RGB by ImageNet's mean and deviation"
)
OWN = (
    "{name} normalises its pixels itself, (x - {mean}) / {std}: it is given {order} in {scale}, which is "
    "read off these numbers; --mean, --std and --channel-order say otherwise"
)
BYTES = "{name} takes bytes: it is given the pixels as they are, {order}{guess}"
ASSUMED = ", which is assumed; --channel-order bgr says otherwise"


@dataclass(frozen=True)
class Whole:
    """A network that its file holds whole.

    Attributes:
        notes: what a user should know: what was assumed of the pixels.
    """

    network: Network
    sha256: str
    notes: tuple[str, ...] = ()


def is_whole(name: str) -> bool:
    """Tell whether MODEL names a file that should hold a network whole, and no place of a function."""
    return Path(name).suffix.lower() in SUFFIXES


def open_whole(name: str, *, trust: bool = False, on_run: Callable[[str], None] = lambda said: None) -> Whole:
    """Open the file.

    Args:
        name: its path.
        trust: run what a pickled module wants to be run.
        on_run: told before what that is.

    Raises:
        CheckpointError: if it holds weights alone, is damaged, or would run code without being trusted.
        ExportError: as `read_ready`, or if it cannot be run.
        UsageError: if there is no such file.
    """
    path = Path(name)
    if not path.is_file():
        raise UsageError(f"there is no file {path}")
    suffix = path.suffix.lower()
    if suffix == ONNX:
        ready, model = open_onnx(path)
        own = own_normalisation(model.proto, model.input.name)
        detects = looks_like_detections(model.proto)
        network, notes = _described(ReadyNetwork(ready, gives_maps=not detects), path.name, own)
        if detects:
            network = dataclasses.replace(network, task="instance")
        return Whole(network, model.sha256, notes)
    sha256 = sha256_of(path)
    if suffix != PT2 and not is_torchscript(path):
        module = open_pickled_module(path, trust=trust, on_run=on_run)
        return Whole(network_of(module, str(path)), sha256, (UNSAID.format(name=path.name),))
    ready = open_exported_program(path) if suffix == PT2 else open_torchscript(path)
    network, notes = _described(ReadyNetwork(ready), path.name, None)
    return Whole(network, sha256, notes)


def _described(
    module: ReadyNetwork, name: str, own: OwnNormalisation | None
) -> tuple[Network, tuple[str, ...]]:
    """Say what is known of the pixels, and what is assumed."""
    image = module.ready.input
    network = _of_pixels(module, image, own)
    order = "BGR" if network.channel_order == "bgr" else network.channel_order.replace("rgb", "RGB")
    known = own is not None and own.is_bgr is not None
    if image.dtype == "uint8":
        note = BYTES.format(name=name, order=order, guess="" if known else ASSUMED)
    elif own is not None:
        numbers = (_listed(own.mean), _listed(own.std))
        scale = "0..255" if own.of_bytes else "0..1"
        note = OWN.format(name=name, mean=numbers[0], std=numbers[1], order=order, scale=scale)
    else:
        note = UNSAID.format(name=name).replace("RGB by ImageNet's mean and deviation", _assumed(network))
    said = dict.fromkeys(PIXELS, f"{name}, which takes bytes") if image.dtype == "uint8" else {}
    if own is not None:
        said = dict.fromkeys(PIXELS, f"the arithmetic that {name} begins with")
    if known:
        said["channel_order"] = f"the order of the means in {name}"
    if image.size_hw is not None:
        said["default_size_hw"] = name
    return dataclasses.replace(network, default_size_hw=image.size_hw, said=said), (note,)


def _of_pixels(module: ReadyNetwork, image: GraphInput, own: OwnNormalisation | None) -> Network:
    plain = Network(module.eval(), "semantic", ZERO_MEAN_RGB, UNIT_STD_RGB)
    if image.along("C") == GREY:
        plain = dataclasses.replace(plain, channel_order="grey")
    elif own is None and image.dtype != "uint8":
        return Network(module, "semantic")
    elif own is not None and own.is_bgr:
        plain = dataclasses.replace(plain, channel_order="bgr")
    of_bytes = image.dtype == "uint8" or (own is not None and own.of_bytes)
    return dataclasses.replace(plain, divide_by_255="never") if of_bytes else plain


def _assumed(network: Network) -> str:
    return "grey in 0..1" if network.channel_order == "grey" else "RGB by ImageNet's mean and deviation"


def _listed(values: tuple[float, ...]) -> str:
    return ",".join(f"{value:.4g}" for value in dict.fromkeys(values))
