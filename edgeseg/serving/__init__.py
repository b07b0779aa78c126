"""Serve networks to clients of other machines: repositories for Triton, and a server on Ray."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgeseg.lazy import public_names

if TYPE_CHECKING:
    from edgeseg.serving.triton.repository import Repository, build_repository

_HOMES = {
    "Repository": "edgeseg.serving.triton.repository",
    "build_repository": "edgeseg.serving.triton.repository",
}
__all__ = ["Repository", "build_repository"]

__getattr__ = public_names(__name__, _HOMES)
