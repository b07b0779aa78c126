"""Make networks for their names and shapes alone: without memory, and without numbers in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

DRAWING = frozenset({"normal_", "uniform_", "trunc_normal_", "fill_", "zero_"})
"""By what `torch.nn.init` fills a tensor. On the meta device there is nothing to fill, and yet the first of
them takes a second: PyTorch imports its compiler for it."""


@contextmanager
def without_memory() -> Iterator[None]:
    """Give tensors that are made here a shape and a type, but no numbers."""
    with torch.device("meta"), _NothingDrawn():
        yield


class _NothingDrawn(TorchFunctionMode):
    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        given = kwargs or {}
        if getattr(func, "__name__", "") in DRAWING:
            return args[0] if args else given["tensor"]
        return func(*args, **given)
