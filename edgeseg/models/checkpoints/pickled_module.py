"""Open a module that was pickled whole, `torch.save(model, PATH)`, for those who trust the file.

To read such a file is to run it: its pickle names classes and functions of any library and has them called.
"""

from __future__ import annotations

import pickletools
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import torch
from torch import nn

from edgeseg.errors import CheckpointError, name_a_few, one_line
from edgeseg.models.checkpoints.checkpoint import read_checkpoint
from edgeseg.models.checkpoints.foreign_objects import READ_BY_PYTORCH, SAVE_WEIGHTS_ALONE, pickles_of
from edgeseg.models.user_function import importable
from edgeseg.reading import reading

COMPUTED = "names that are computed"  # while the pickle runs; no reader can tell them before
WEIGHTS_ALONE = "{path} holds weights alone, no network: edgeseg export NETWORK --weights {path}"
TEXTS = ("SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "UNICODE", "STRING", "SHORT_BINSTRING", "BINSTRING")
MEMOS = ("MEMOIZE", "PUT", "BINPUT", "LONG_BINPUT")
RECALLS = ("GET", "BINGET", "LONG_BINGET")


def open_pickled_module(
    path: Path, *, trust: bool, on_run: Callable[[str], None] = lambda said: None
) -> nn.Module:
    """Unpickle a module on the CPU, if the file is trusted.

    Args:
        on_run: told before anything runs what the file will have imported and called.

    Raises:
        CheckpointError: if it is not trusted, holds weights alone, or no module, or cannot be unpickled here.
    """
    with reading(path, CheckpointError, what="a file of PyTorch", fix="save it again"):
        called = names_called(path)
    if not trust:
        _refuse_weights(path, pickled=bool(called))
        raise CheckpointError(
            f"{path} is a pickled module, and reading it runs {name_a_few(called)}; where "
            f"you trust it, add --trust, or {SAVE_WEIGHTS_ALONE}"
        )
    on_run(f"{path} is trusted; reading it imports and calls {', '.join(called) or 'nothing'}")
    try:
        with importable(Path.cwd()), path.open("rb") as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of classes whose source has changed
            loaded: Any = torch.load(file, map_location="cpu", weights_only=False)
    except Exception as error:  # the file's own code may raise anything
        raise CheckpointError(
            f"{path} cannot be unpickled here: {type(error).__name__}: {one_line(str(error))}; it needs the "
            "libraries and the code that it was saved with"
        ) from error
    if isinstance(loaded, dict) and isinstance(loaded.get("model"), nn.Module):
        loaded = loaded["model"]
    if not isinstance(loaded, nn.Module):
        raise CheckpointError(f"{path} holds a {type(loaded).__name__}, no module")
    return loaded.float().eval()


def names_called(path: Path) -> list[str]:
    """List what unpickling a file would import and call, PyTorch's own tensors apart; nothing is run.

    Of a damaged file, what is named before the damage.
    """
    found: dict[str, None] = {}
    try:
        for stream in pickles_of(path):
            found.update(dict.fromkeys(_names(stream)))
    except Exception:  # a damaged file can make the readers of zip and pickle raise anything
        pass
    return sorted(name for name in found if not READ_BY_PYTORCH.fullmatch(name))


def _names(stream: IO[bytes]) -> Iterator[str]:
    """Give the names in one pickle of any protocol, which from the fourth on lie on its stack as texts."""
    texts: list[str | None] = []  # what was pushed last; None for all but texts
    memo: dict[int, str | None] = {}
    for opcode, argument, _ in pickletools.genops(stream):
        if opcode.name in ("GLOBAL", "INST"):
            yield str(argument).replace(" ", ".", 1)
        elif opcode.name == "STACK_GLOBAL":
            module, name = texts[-2:] if len(texts) > 1 else (None, None)
            yield f"{module}.{name}" if module and name else COMPUTED
        if opcode.name in MEMOS:
            key = len(memo) if argument is None else int(argument)
            memo[key] = texts[-1] if texts else None
        elif opcode.name in RECALLS:
            texts.append(memo.get(int(argument or 0)))
        else:
            texts.append(argument if opcode.name in TEXTS else None)


def _refuse_weights(path: Path, *, pickled: bool) -> None:
    """Say so where a file holds weights that are read without trust, or is merely damaged."""
    try:
        read_checkpoint(path)
    except CheckpointError:
        if not pickled:
            raise
        return
    raise CheckpointError(WEIGHTS_ALONE.format(path=path))
