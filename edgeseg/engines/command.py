"""Give commands that run functions of ours in a Python of their own."""

from __future__ import annotations

import sys


def command_of(function: str) -> list[str]:
    """Give a command that runs `package.module:function` in a new Python that finds what this one finds."""
    module, _, name = function.partition(":")
    return [
        sys.executable,
        "-c",
        f"import sys; sys.path[:] = {sys.path!r}; from {module} import {name}; {name}()",
    ]
