"""What Triton's Python backend loads: frames or pictures become results, around the network's own model.

It needs edgeseg's runtime in the server's Python: pip install 'edgeseg[media]'.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import triton_python_backend_utils as pb_utils  # the server has it

from edgeseg.serving.triton.front import Front


class TritonPythonModel:
    """What Triton looks for."""

    def initialize(self, args: Mapping[str, str]) -> None:
        """Read the spec; the network is a model of its own."""
        self._front = Front(args, pb_utils)

    def execute(self, requests: Sequence[Any]) -> list[Any]:
        """Answer requests that Triton has put together."""
        return self._front.execute(requests)

    def finalize(self) -> None:
        """End."""
        self._front.close()
