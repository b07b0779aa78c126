"""Turn whatever a semantic network returns into the list of its tensors, and into the one that counts."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from edgeseg.errors import ShapeError, UsageError

DEFAULT_KEYS = ("out", "logits")  # torchvision's and Hugging Face's name for what counts
PLANES_NDIM, MAP_NDIM = 4, 3  # (N, C, h, w), and (N, H, W) where the one channel was squeezed
MOST_LISTED = 12  # outputs that a message lists


@dataclass(frozen=True, eq=False)
class Output:
    """One tensor of a network's output; `key` is its place, such as `out`, `1` or `aux.0`; bare: empty."""

    key: str
    tensor: Tensor

    def __str__(self) -> str:
        shape = "x".join(map(str, self.tensor.shape)) or "a number"
        return f"{self.key} ({shape})" if self.key else shape


def outputs_of(output: Any) -> list[Output]:
    """List all tensors of a network's output, in order.

    Args:
        output: a tensor, or mappings, tuples, lists and dataclasses of tensors, in each other to any depth;
            what is neither is passed over.
    """
    return list(_walk(output, ""))


def choose(
    output: Any, size_hw: tuple[int, int], wanted: int | str | None = None, *, images: int | None = None
) -> Output:
    """Choose the tensor that says what every pixel is.

    Without being told: the bare tensor, the mapping's `out` or `logits`, or the first of a sequence if it has
    more pixels than any other. One of another name, or among equals, has to be asked for.

    Args:
        output: what the network returned.
        size_hw: of the image that it was given.
        wanted: the number in the sequence or, elsewhere, in the list of all tensors, negative ones from the
            end; or the key.
        images: how many it was given; None where that is not to be looked at.

    Raises:
        ShapeError: if nothing in the output covers an image, its channels are last, or it is of other images.
        UsageError: if what is wanted is not there, or more than one tensor may be meant; it lists all.
    """
    chosen = _choose(output, size_hw, wanted)
    _refuse_channels_last(chosen, size_hw)
    if images is not None and chosen.tensor.shape[0] != images:
        given = "1 image" if images == 1 else f"{images} images"
        raise ShapeError(
            f"the network was given {given}, its output {chosen} is of {chosen.tensor.shape[0]}: the first "
            "axis must be that of the images, also of a single one, whose axis .squeeze() and [0] take away"
        )
    return chosen


def _choose(output: Any, size_hw: tuple[int, int], wanted: int | str | None) -> Output:
    found = outputs_of(output)
    if wanted is not None:
        return _wanted(output, found, size_hw, wanted)
    images = [item for item in found if _is_image(item.tensor, size_hw)]
    if not images:
        got = listed(found) if found else f"no tensor but {type(output).__name__}"
        raise ShapeError(
            "a semantic network must return logits (N, C, h, w), or (N, H, W) of the image's size "
            f"{size_hw[0]}x{size_hw[1]}, or a mapping, a sequence or a dataclass with such a tensor in it; "
            f"got {got}{_fix(found)}"
        )
    named = next((item for key in DEFAULT_KEYS for item in images if item.key == key), None)
    default = named or images[0]
    if named is not None:
        rivals = [item for item in images if _outdoes(item, named)]
    elif isinstance(output, Tensor):
        rivals = []
    elif isinstance(output, Mapping) or dataclasses.is_dataclass(output):
        rivals = images
    else:
        rivals = [item for item in images[1:] if _pixels(item) >= _pixels(default)]
    if rivals:
        raise UsageError(
            f"which of the network's outputs says what the pixels are? It gives {listed(found)}; take one by "
            "--output-index N or --output-key NAME (Network(..., output=N), output='NAME')"
        )
    return default


def tensor_at(output: Any, key: str) -> Tensor:
    """Take the tensor with this key out of a network's output."""
    return next(item.tensor for item in outputs_of(output) if item.key == key)


def listed(outputs: Sequence[Output]) -> str:
    """Name outputs with their shapes."""
    more = f" and {len(outputs) - MOST_LISTED} more" if len(outputs) > MOST_LISTED else ""
    return ", ".join(map(str, outputs[:MOST_LISTED])) + more


def _walk(value: Any, key: str) -> Iterator[Output]:
    if isinstance(value, Tensor):
        yield Output(key, value)
        return
    if isinstance(value, Mapping):
        entries = [(str(name), entry) for name, entry in value.items()]
    elif isinstance(value, tuple | list):
        entries = [(str(index), entry) for index, entry in enumerate(value)]
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        entries = [(field.name, getattr(value, field.name)) for field in dataclasses.fields(value)]
    else:
        return
    for name, entry in entries:
        yield from _walk(entry, f"{key}.{name}" if key else name)


def _fix(found: Sequence[Output]) -> str:
    """Say what to do where an axis is too many: stacked heads, or planes of a volume."""
    if any(item.tensor.ndim == PLANES_NDIM + 1 for item in found):
        return "; where heads are stacked along an axis return one, such as output[:, 0]"
    return ""


def _wanted(output: Any, found: Sequence[Output], size_hw: tuple[int, int], wanted: int | str) -> Output:
    if isinstance(wanted, str):
        named = next((item for item in found if item.key == wanted), None)
    else:
        in_sequence = isinstance(output, tuple | list)
        count = len(output) if in_sequence else len(found)
        index = wanted + count if wanted < 0 else wanted
        if in_sequence:
            named = next((item for item in found if item.key == str(index)), None)
        else:
            named = found[index] if 0 <= index < count else None
    if named is None:
        raise UsageError(f"the network has no output {wanted!r}; it gives {listed(found) or 'no tensor'}")
    if not _is_image(named.tensor, size_hw):
        raise UsageError(
            f"the network's output {named} is not (N, C, h, w), nor (N, H, W) of the image's size "
            f"{size_hw[0]}x{size_hw[1]}; it gives {listed(found)}{_fix([named])}"
        )
    return named


def _is_image(tensor: Tensor, size_hw: tuple[int, int]) -> bool:
    if tensor.ndim == MAP_NDIM:
        return tuple(tensor.shape[1:]) == size_hw
    return tensor.ndim == PLANES_NDIM


def is_channels_last(tensor: Tensor, size_hw: tuple[int, int], *, where_both_fit: bool = False) -> bool:
    """Tell whether a tensor is (N, h, w, C) of an image of this size, and not (N, C, h, w).

    Args:
        where_both_fit: the answer where the shape is that of either.
    """
    shape = tuple(tensor.shape)
    if len(shape) != PLANES_NDIM or 0 in shape or not _covers(shape[1:3], size_hw):
        return False
    return where_both_fit or not _covers(shape[2:], size_hw)


def _refuse_channels_last(item: Output, size_hw: tuple[int, int]) -> None:
    """Refuse (N, h, w, C), which would pass for an image of h channels where h is as good as w."""
    if is_channels_last(item.tensor, size_hw):
        raise ShapeError(
            f"a semantic network must return (N, C, h, w); got {item}, which is (N, h, w, C) of an image of "
            f"{size_hw[0]}x{size_hw[1]}: return output.permute(0, 3, 1, 2)"
        )


def _covers(planes_hw: tuple[int, ...], size_hw: tuple[int, int]) -> bool:
    """Tell whether planes are an image at the same whole stride along both axes."""
    (height, width), (full_height, full_width) = planes_hw, size_hw
    return full_height % height == 0 == full_width % width and full_height // height == full_width // width


def _outdoes(other: Output, named: Output) -> bool:
    """Tell whether another output is the named one at a finer resolution."""
    same_channels = other.tensor.shape[:-2] == named.tensor.shape[:-2]
    return same_channels and _pixels(other) > _pixels(named)


def _pixels(item: Output) -> int:
    return item.tensor.shape[-2] * item.tensor.shape[-1]
