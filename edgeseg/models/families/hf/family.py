"""Hugging Face transformers: recognise its semantic networks by their folder, and make them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from edgeseg.errors import CheckpointError, UsageError, name_a_few, one_line, shown
from edgeseg.extras import require
from edgeseg.models.checkpoints.weight_names import is_counter, serves_training
from edgeseg.models.families.family import Recognised, Source
from edgeseg.models.families.hf.architectures import ARCHITECTURES, MASKS_FROM_QUERIES, Architecture
from edgeseg.models.families.hf.pixels import PREPROCESSOR, read_pixels
from edgeseg.models.families.hf.settings import plain_settings
from edgeseg.models.network import Network

LIBRARY = "transformers"
CONFIG = "config.json"
UNNAMED = "LABEL_"  # how the library calls classes that nobody named


class HuggingFace:
    """Semantic networks of transformers."""

    name = "hf"
    extra = "hf"

    @property
    def layouts(self) -> Mapping[str, tuple[str, ...]]:
        """How the names of each architecture begin."""
        return {one.name: one.names for one in ARCHITECTURES.values()}

    def recognise(self, source: Source) -> Recognised | None:
        """Read `config.json` and `preprocessor_config.json`.

        Raises:
            CheckpointError: if the network is one of the library's, but no semantic one, or if the weights
                are, but lie there alone.
        """
        config = _config(source)
        model_type = str(config.get("model_type"))
        if model_type in MASKS_FROM_QUERIES:
            raise CheckpointError(
                f"{source.path}: {model_type} gives masks of queries, which edgeseg does not read; make "
                "semantic logits of them in a function of your own (file.py:function)"
            )
        if model_type not in ARCHITECTURES:
            _refuse_alone(source)
            return None
        architecture = ARCHITECTURES[model_type]
        said = config.get("architectures") or [architecture.made_by]
        if architecture.made_by not in said:
            raise CheckpointError(
                f"{source.path}: {CONFIG} says {shown(said)}, which is no semantic network; "
                f"{architecture.made_by} is"
            )
        names = class_names(config)
        pixels = read_pixels(model_type, _preprocessor(source))
        backbone = config.get("backbone_config")
        return Recognised(
            self.name,
            architecture.name,
            "certain",
            backbone=backbone.get("model_type") if isinstance(backbone, Mapping) else None,
            num_classes=_num_classes(config),
            said={**pixels.said, **({"class_names": f"{CONFIG} (id2label)"} if names else {})},
            unknown=pixels.unknown,
        )

    def make(self, source: Source, recognised: Recognised, arguments: Mapping[str, Any]) -> Network:
        """Make the network by the installed library; nothing is downloaded, and no code of the folder run."""
        if arguments:
            raise UsageError(f"hf takes no arguments, since {CONFIG} says all; got {', '.join(arguments)}")
        config = _config(source)
        model_type = next(key for key, one in ARCHITECTURES.items() if one.name == recognised.architecture)
        if config.get("model_type") != model_type:
            raise CheckpointError(f"{source.path}: {recognised.model} needs its {CONFIG} beside the weights")
        library = require(LIBRARY, self.extra)
        module = _make(library, ARCHITECTURES[model_type], plain_settings(config, str(source.path)), source)
        pixels = read_pixels(model_type, _preprocessor(source))
        return Network(
            module.eval(), "semantic", class_names=class_names(config), head="logits", **pixels.fields
        )


def class_names(config: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Read the classes' names by their numbers; None where nobody named them."""
    labels = config.get("id2label")
    if not isinstance(labels, Mapping):
        return None
    names = [labels.get(str(index)) for index in range(len(labels))]
    if not all(isinstance(name, str) and name for name in names):
        return None
    unnamed = all(name == f"{UNNAMED}{index}" for index, name in enumerate(names))
    return None if unnamed else tuple(one_line(str(name)) for name in names)


def _num_classes(config: Mapping[str, Any]) -> int | None:
    labels = config.get("id2label")
    count = len(labels) if isinstance(labels, Mapping) else config.get("num_labels")
    return count if isinstance(count, int) else None


def _make(library: Any, architecture: Architecture, settings: Mapping[str, Any], source: Source) -> nn.Module:
    """Make the network with its weights, in float32.

    Attention is computed step by step, as it was before PyTorch had one operator for it: that operator's
    output lies in memory so that `torch.export` cannot take Swin's and BEiT's apart.
    """
    made_by = getattr(library, architecture.made_by)
    try:
        config = made_by.config_class.from_dict(dict(settings))
        with _quiet(library):
            module, found = made_by.from_pretrained(
                None,
                config=config,
                state_dict=dict(source.weights),
                dtype=torch.float32,
                attn_implementation="eager",
                local_files_only=True,
                output_loading_info=True,
                ignore_mismatched_sizes=True,  # they are refused below, with their names
            )
    except Exception as error:  # the settings may be anything
        raise CheckpointError(
            f"{source.path}: transformers cannot make {architecture.made_by} of it: {one_line(str(error))}"
        ) from error
    missing = [*found["missing_keys"], *(key for key, *_ in found["mismatched_keys"])]
    strays = [key for key in found["unexpected_keys"] if not (is_counter(key) or serves_training(key))]
    if missing or strays:
        parts = [
            f"lacks, or has in another shape, {name_a_few(sorted(missing))}" if missing else "",
            f"has {name_a_few(sorted(strays))} besides" if strays else "",
        ]
        raise CheckpointError(
            f"{source.path} does not fit its {CONFIG}: it {' and '.join(filter(None, parts))}; "
            "save both again"
        )
    made: nn.Module = module
    return made


@contextmanager
def _quiet(library: Any) -> Iterator[None]:
    """Keep the library's own reports off the terminal; what matters in them becomes an error."""
    logging = library.utils.logging
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity(logging.CRITICAL)
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def _refuse_alone(source: Source) -> None:
    """Ask for the folder where weights are the library's, but nothing lies beside them."""
    firsts = {name.partition(".")[0] for name in source.weights}
    for model_type, one in ARCHITECTURES.items():
        own = model_type.replace("-", "_")
        if own in firsts and firsts & {"decode_head", "segmentation_head", "head"}:
            raise CheckpointError(
                f"{source.path} holds weights of {one.made_by}, whose settings are in its {CONFIG}: give "
                f"--weights the folder that save_pretrained wrote, with {CONFIG} and {PREPROCESSOR}"
            )


def _config(source: Source) -> Mapping[str, Any]:
    config = source.configs.get(CONFIG)
    return config if isinstance(config, Mapping) else {}


def _preprocessor(source: Source) -> Mapping[str, Any] | None:
    file = source.configs.get(PREPROCESSOR)
    return file if isinstance(file, Mapping) else None
