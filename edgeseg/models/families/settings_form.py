"""Turn what settings of an unusual form break into one line that names their file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from edgeseg.errors import CheckpointError, EdgesegError, one_line
from edgeseg.models.families.family import Source

BROKEN = (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)
"""By what reading fails where a text stands for a number, or a number for a list."""


@contextmanager
def read_as_written_by(family: str, source: Source) -> Iterator[None]:
    """Let a family read a source whose settings somebody may have changed.

    Raises:
        CheckpointError: if they are not of the form in which the family's library writes them.
    """
    try:
        yield
    except EdgesegError:
        raise
    except BROKEN as error:
        raise CheckpointError(
            f"the settings of {source.path} are not of the form in which {family} writes them "
            f"({type(error).__name__}: {one_line(str(error))}); correct them, or take them away, and give "
            "what they say by options"
        ) from error
