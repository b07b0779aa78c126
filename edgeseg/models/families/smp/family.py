"""segmentation-models-pytorch: recognise its networks, by folder or by weights alone, and make them."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

from torch import nn

from edgeseg.errors import (
    CheckpointError,
    EdgesegError,
    MissingExtraError,
    UsageError,
    name_a_few,
    one_line,
    shown,
)
from edgeseg.extras import require
from edgeseg.limits import refuse_above
from edgeseg.models.checkpoints.loading import load_weights
from edgeseg.models.families.family import Recognised, Source
from edgeseg.models.families.pixels import Pixels
from edgeseg.models.families.smp import pixels as preprocessing
from edgeseg.models.families.smp.decoders import ENCODER, HEAD, Decoder, layouts, read_decoder, renamed
from edgeseg.models.families.smp.encoders import UNIVERSAL, find_encoder, similar_encoders
from edgeseg.models.network import UNIT_STD_RGB, ZERO_MEAN_RGB, Network
from edgeseg.spec import RGB_CHANNELS, Head

LIBRARY = "segmentation_models_pytorch"
CONFIG = "config.json"
CLASS_KEY = "_model_class"
CONFIGURED = (*layouts(), "DPT")  # DPT is recognised by its settings alone
AUXILIARY_HEAD = "classification_head.3.weight"
HEADS: Mapping[str | None, Head] = {
    None: "logits",
    "identity": "logits",
    "logsoftmax": "logits",
    "softmax": "softmax",
    "softmax2d": "softmax",
    "argmax": "labels",
    "argmax2d": "labels",
}
"""What each activation of the library leaves; of a `sigmoid` only the values and the user can say."""
ENCODER_KEYS = ("encoder_name", "encoder", "backbone")
"""What training scripts call the encoder among a checkpoint's hyper-parameters."""
PLAIN_NAME = re.compile(r"[\w.+-]+")  # no place on the hub, nor on disk
REFUSED = re.compile(r"pretrained|checkpoint|cache|hub|path|url|file|weights|scriptable|exportable|jit")
"""Arguments of timm that could load something."""


class Smp:
    """Networks of segmentation-models-pytorch."""

    name = "smp"
    extra = "smp"

    @property
    def layouts(self) -> Mapping[str, tuple[str, ...]]:
        """How the names of each architecture begin."""
        return layouts()

    def recognise(self, source: Source) -> Recognised | None:
        """Read a folder of `save_pretrained`, or architecture and encoder from names and shapes."""
        config = source.configs.get(CONFIG)
        if isinstance(config, Mapping) and config.get(CLASS_KEY) in CONFIGURED and HEAD in source.weights:
            return _from_config(source, config)
        decoder = read_decoder(_shapes(source))
        return None if decoder is None else _from_weights(source, decoder)

    def make(self, source: Source, recognised: Recognised, arguments: Mapping[str, Any]) -> Network:
        """Make the network by the installed library; nothing is downloaded."""
        given = {{"num_classes": "classes"}.get(key, key): value for key, value in arguments.items()}
        parameters = {**recognised.parameters, **given}
        if "encoder_name" not in parameters:
            raise _unnamed(source, recognised)
        _check(parameters, str(source.path))
        library = require(LIBRARY, self.extra)
        module = _make(library, recognised, parameters)
        weights = {renamed(name): tensor for name, tensor in source.weights.items()}
        if parameters["encoder_name"].startswith(("tu-", "timm-")):
            weights = {_universal(name, module): tensor for name, tensor in weights.items()}
        load_weights(module, weights, source=str(source.path), name=recognised.model)
        pixels = _pixels(source, parameters)
        activation = parameters.get("activation")
        return Network(
            module.eval(),
            "semantic",
            head=HEADS.get(activation) if CLASS_KEY in _config(source) or activation is not None else None,
            size_divisor=module.encoder.output_stride if module.requires_divisible_input_shape else 1,
            said=pixels.said,
            **pixels.fields,
        )


def _from_config(source: Source, config: Mapping[str, Any]) -> Recognised:
    parameters = {key: value for key, value in config.items() if not key.startswith("_")}
    pixels = _pixels(source, parameters)
    return Recognised(
        "smp",
        config[CLASS_KEY],
        "certain",
        backbone=parameters.get("encoder_name"),
        num_classes=source.weights[HEAD].shape[0],
        parameters=parameters,
        said=pixels.said,
        unknown=pixels.unknown,
    )


def _from_weights(source: Source, decoder: Decoder) -> Recognised:
    """Read what weights alone show; what they do not is the library's default, and said to be."""
    found = find_encoder(_shapes(source), decoder)
    names = _names(source, [one.names for one in found.encoders])
    parameters = {**decoder.parameters, "classes": source.weights[HEAD].shape[0]}
    if found.depth is not None:
        parameters["encoder_depth"] = found.depth
    if found.in_channels is not None:
        parameters["in_channels"] = found.in_channels
    if AUXILIARY_HEAD in source.weights:
        parameters["aux_params"] = {"classes": source.weights[AUXILIARY_HEAD].shape[0]}
    unknown = [_defaults(decoder, names)]
    said: Mapping[str, str] = {}
    if len(names) == 1:
        parameters["encoder_name"] = names[0]
        pixels = _pixels(source, parameters)
        unknown += pixels.unknown
        said = pixels.said
    return Recognised(
        "smp",
        decoder.architecture,
        "certain" if len(names) == 1 else "likely",
        backbone=" or ".join(names) or None,
        num_classes=parameters["classes"],
        parameters=parameters,
        said=said,
        unknown=tuple(unknown),
    )


def _names(source: Source, alike: list[tuple[str, ...]]) -> list[str]:
    """Name one encoder of each kind that the weights may be of; or the one that the training names."""
    training = source.configs.get("hyper_parameters")
    said = {
        value
        for key, value in (training.items() if isinstance(training, Mapping) else ())
        if key in ENCODER_KEYS and isinstance(value, str)
    }
    named = [name for names in alike for name in names if name in said]
    if not alike and len(said) == 1:
        return list(said)
    return named[:1] or [names[0] for names in alike]


def _defaults(decoder: Decoder, names: list[str]) -> str:
    values = {**decoder.unseen, "activation": None}
    text = ", ".join(f"{key}={value}" for key, value in values.items())
    encoder = "" if len(names) == 1 else "encoder_name=NAME&"
    return (
        f"weights do not show these, which are taken for the library's defaults: {text}; where the training "
        f"had others, say smp:{decoder.architecture}?{encoder}{next(iter(values))}=VALUE"
    )


def _unnamed(source: Source, recognised: Recognised) -> CheckpointError:
    """Say that the encoder has to be named, and which it may be."""
    decoder = read_decoder(_shapes(source))
    encoders = () if decoder is None else find_encoder(_shapes(source), decoder).encoders
    similar = [] if decoder is None else similar_encoders(decoder)
    if encoders:
        which = "it may be " + " or ".join(one.names[0] for one in encoders)
    elif similar:
        which = f"its last stage gives as many channels as {name_a_few(similar)}"
    else:
        which = "it is none whose weights are known to edgeseg"
    return CheckpointError(
        f"{source.path}: the weights do not say their encoder; {which}; name it: "
        f"smp:{recognised.architecture}?encoder_name=NAME"
    )


def _check(parameters: Mapping[str, Any], source: str) -> None:
    """Refuse arguments that are no plain settings: such as would have the library load something."""
    for key, value in parameters.items():
        if key not in ("encoder_weights", "encoder_name") and REFUSED.search(key) and value:
            raise CheckpointError(f"{source}: the setting {shown(key)} could load other files; leave it out")
        for number in _numbers(value):
            refuse_above("width", number, f"{source}: {key}", CheckpointError)
    name = parameters["encoder_name"]
    if not isinstance(name, str) or PLAIN_NAME.fullmatch(name) is None:
        raise CheckpointError(
            f"{source}: {shown(name)} is no encoder's name, such as resnet34 or tu-resnet34"
        )


def _numbers(value: Any) -> Iterator[int]:
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for inner in value:
            yield from _numbers(inner)
    elif type(value) is int:
        yield value


def _make(library: Any, recognised: Recognised, parameters: Mapping[str, Any]) -> Any:
    try:
        make = getattr(library, recognised.architecture)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of names that the library means to change
            return make(**{**parameters, "encoder_weights": None})
    except EdgesegError:
        raise
    except Exception as error:  # the parameters may be anything
        raise UsageError(
            f"{recognised.model} cannot be made with {shown(dict(parameters))}: {one_line(str(error))}"
        ) from error


def _universal(name: str, module: nn.Module) -> str:
    """Spell the name of an encoder's weight as timm's encoders have it, within one more module."""
    deeper = f"{ENCODER}{UNIVERSAL}"
    has_deeper = any(key.startswith(deeper) for key, _ in module.named_parameters())
    if has_deeper and name.startswith(ENCODER) and not name.startswith(deeper):
        return deeper + name.removeprefix(ENCODER)
    return name


def _pixels(source: Source, parameters: Mapping[str, Any]) -> Pixels:
    """Ask who knows: the transforms beside the weights, or the encoder's own training."""
    own = _encoder_pixels(parameters)
    assumed = (_as_the_encoder(parameters),)
    beside = preprocessing.of_transforms(source.configs)
    if beside is None:
        return Pixels(own.fields, own.said, assumed)
    unknown = beside.unknown if "mean_rgb" in beside.fields else (*assumed, *beside.unknown)
    return Pixels({**own.fields, **beside.fields}, {**own.said, **beside.said}, unknown)


def _encoder_pixels(parameters: Mapping[str, Any]) -> Pixels:
    name = str(parameters["encoder_name"])
    if (channels := parameters.get("in_channels", RGB_CHANNELS)) != RGB_CHANNELS:
        return _unnormalised(channels)
    pretrained = parameters.get("encoder_weights")
    config = None
    if name.startswith("tu-"):
        try:
            timm = require("timm", Smp.extra)
        except MissingExtraError:  # its weights can be recognised without it
            return Pixels({})
        config = timm.models.get_pretrained_cfg(name[3:], allow_unregistered=True)
    return preprocessing.of_encoder(name, pretrained, config)


def _unnormalised(channels: int) -> Pixels:
    """Say what pixels of other than three channels are: those that no encoder was trained on before."""
    who = f"the first convolution, of {channels} channel{'s' if channels > 1 else ''}"
    if channels == 1:
        fields = {"mean_rgb": ZERO_MEAN_RGB, "std_rgb": UNIT_STD_RGB, "channel_order": "grey"}
        return Pixels(fields, {"channel_order": who})
    zeros, ones = (0.0,) * channels, (1.0,) * channels
    stored = {"mean_rgb": zeros, "std_rgb": ones, "channel_order": "stored", "channels": channels}
    return Pixels(stored, {"channel_order": who})


def _as_the_encoder(parameters: Mapping[str, Any]) -> str:
    if parameters.get("in_channels", RGB_CHANNELS) != RGB_CHANNELS:
        return "pixels are taken for scaled to 0..1 and not normalised; else say --mean and --std"
    return (
        "pixels are taken for normalised as in the encoder's own training "
        "(smp.encoders.get_preprocessing_fn); else say --mean and --std"
    )


def _config(source: Source) -> Mapping[str, Any]:
    config = source.configs.get(CONFIG)
    return config if isinstance(config, Mapping) else {}


def _shapes(source: Source) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in source.weights.items()}
