"""Tell what has threads below Python that this process is a forked child, into which they did not follow."""

from __future__ import annotations

import ctypes
import os
import weakref
from typing import Protocol


class Forkable(Protocol):
    """What is told of forks."""

    def forked(self) -> None:
        """Called once in a child, before anything else happens there."""


_all: weakref.WeakSet[Forkable] = weakref.WeakSet()


def tell_of_forks(owner: Forkable) -> None:
    """From now on call `owner.forked()` in every child of this process."""
    _all.add(owner)


def never_free(owner: object) -> None:
    """Keep an object, and all it refers to, for as long as the process lives.

    A library that frees what it had in the parent would wait for threads that are not there.
    """
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(owner))


def _tell_all() -> None:
    for owner in list(_all):
        owner.forked()


if hasattr(os, "register_at_fork"):  # Windows does not fork
    os.register_at_fork(after_in_child=_tell_all)
