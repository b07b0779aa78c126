"""Describe trained weights: family, network, classes, outputs, preprocessing, and how to export them."""

from __future__ import annotations

import shlex
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgeseg.cli.options import normalisation
from edgeseg.errors import CheckpointError, EdgesegError, MissingExtraError, one_line

if TYPE_CHECKING:
    from edgeseg.models.families.family import Source
    from edgeseg.models.network import Network

ANY_SIZE = (512, 512)  # pixels, in the command where the weights name no size


def inspect_weights(path: Path) -> dict[str, Any]:
    """Describe a file or folder of weights.

    Raises:
        CheckpointError: if they cannot be read.
    """
    from edgeseg.models.checkpoints.checkpoint import num_classes_of, read_checkpoint
    from edgeseg.models.checkpoints.detector_anchors import describe_anchors
    from edgeseg.models.checkpoints.nearest import nearest_network, part_for
    from edgeseg.models.families.source import source_of
    from edgeseg.models.families.training_folders import weights_in

    checkpoint = read_checkpoint(weights_in(path, {}))
    nearest = nearest_network(checkpoint.weights)
    part = {} if nearest is None else part_for(nearest, checkpoint.weights).part
    anchors = describe_anchors(part, checkpoint.anchors)
    dtypes = Counter(str(tensor.dtype).removeprefix("torch.") for tensor in checkpoint.weights.values())
    found: dict[str, Any] = {
        "kind": "checkpoint",
        "sha256": checkpoint.sha256,
        "found_in": checkpoint.entry or "the file itself",
        "moving_average": checkpoint.averaged,
        "objects_skipped": list(checkpoint.skipped),
        "tensors": dict(dtypes),
        "parameters": sum(tensor.numel() for tensor in checkpoint.weights.values()),
        "classes": num_classes_of(part),
        "nearest_network": nearest,
        **({"anchors": anchors} if anchors else {}),
    }
    try:
        source = source_of(checkpoint)
        recognised = _recognised(source)
    except CheckpointError as error:  # such as an adapter's, which is no network
        source, recognised = None, {"not_exported": one_line(str(error))}
    notes = [*(checkpoint if source is None else source).notes, *recognised.pop("unknown", ())]
    return {**found, **recognised, **({"notes": notes} if notes else {})}


def _recognised(source: Source) -> dict[str, Any]:
    """Say what weights are recognised as, or what is closest to them."""
    from edgeseg.export.outline import outline
    from edgeseg.models.families.closest import OWN_FUNCTION, closest
    from edgeseg.models.families.opening import open_recognised
    from edgeseg.models.families.registry import FAMILIES, recognise_all

    answers = recognise_all(source)
    if not answers:
        near = {one.model: one.differences for one in closest(source, FAMILIES)}
        return {"family": "not recognised", "closest": near or "none", "way": OWN_FUNCTION}
    best, *others = answers
    said: dict[str, Any] = {
        "family": best.family,
        "architecture": best.architecture,
        "sure": best.sure,
        "backbone": best.backbone,
        "classes": best.num_classes,
        "unknown": best.unknown,
        **({"looks_also_like": [other.model for other in others]} if others else {}),
    }
    model = best.model if best.sure == "guessed" else "auto"
    try:
        network = open_recognised(source, best, {}).network
    except MissingExtraError as error:
        return {**said, "needs": str(error), "export": _command(model, source.path, None)}
    except EdgesegError as error:
        return {**said, "not_exported": one_line(str(error))}
    return {
        **said,
        "unknown": [*best.unknown, *map(one_line, network.notes)],
        **({"class_names": list(network.class_names)} if network.class_names else {}),
        "task": network.task,
        **outline(network),
        "preprocessing": preprocessing(network),
        "export": _command(model, source.path, network.default_size_hw),
    }


def preprocessing(network: Network) -> dict[str, str]:
    """Give what becomes of pixels and class ids, and who says each part."""
    from edgeseg.export.said import NOBODY, who_said
    from edgeseg.models.network import DESCRIBED

    said = who_said(network)
    shown = {field: str(getattr(network, field)) for field in DESCRIBED}
    mean_rgb, std_rgb = network.unit_scale()
    shown["mean_rgb"] = normalisation(mean_rgb, std_rgb, network.channel_order, network.divide_by_255)
    del shown["std_rgb"]
    if network.resize == "stretch":
        del shown["pad_rgb"]
    elif network.pad_rgb is None:  # the mean
        said["pad_rgb"] = network.said.get("pad_rgb", NOBODY)
        shown["pad_rgb"] = str(network.padding())
    if network.class_names is not None:
        shown["class_names"] = f"{len(network.class_names)} names"
    if network.default_size_hw is not None:
        shown["default_size_hw"] = "x".join(map(str, network.default_size_hw))
    words = {**DESCRIBED, "mean_rgb": "pixels"}
    return {
        words[field]: f"{text} (said by {said[field]})" if field in said else "nobody says it: give it"
        for field, text in shown.items()
    }


def _command(model: str, path: Path, size_hw: tuple[int, int] | None) -> str:
    """Write the command that exports these weights."""
    height, width = size_hw or ANY_SIZE
    weights, output = shlex.quote(str(path)), shlex.quote(f"{path.stem}.onnx")
    return f"edgeseg export {model} --weights {weights} --size {height}x{width} -o {output}"
