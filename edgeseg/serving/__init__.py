"""Serve networks to clients of other machines: repositories for Triton, and a server on Ray.

What both share: `names` says how models may be called, `tensors` what clients send and get, `pictures`
decodes what they send, and `together` segments frames of several requests in the network's batches. `triton/`
is the repositories. The server on Ray is `on_ray`; `fitting` finds out whether it has room; its `door` speaks
HTTP, in the words of `v2` and the `codings`, and asks `replica`s, which have the engines.
"""

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
