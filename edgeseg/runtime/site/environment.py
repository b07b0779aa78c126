"""Put variables of the environment into addresses, and take their values out of what is shown."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from edgeseg.errors import UsageError

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
SHORTEST_SECRET = 4  # characters; hiding shorter values would garble what is shown


class Environment:
    """Values for `${NAME}` in texts; those that were used are hidden afterwards.

    Args:
        values: by name; None stands for the environment of this process.
    """

    def __init__(self, values: Mapping[str, str] | None = None) -> None:
        self._values = os.environ if values is None else values
        self._used: dict[str, str] = {}  # name by value

    def fill(self, text: str) -> str:
        """Put values in the places of `${NAME}`.

        Raises:
            UsageError: naming the variable that is not set, or is empty.
        """
        return _VARIABLE.sub(self._value, text)

    def hide(self, text: str) -> str:
        """Put `${NAME}` in the place of every value that was used."""
        for value, name in sorted(self._used.items(), key=lambda item: -len(item[0])):
            text = text.replace(value, f"${{{name}}}")
        return text

    def _value(self, match: re.Match[str]) -> str:
        name = match[1]
        value = self._values.get(name)
        if not value:
            state = "not set" if value is None else "empty"
            raise UsageError(f"the variable {name} of the environment is {state}")
        if len(value) >= SHORTEST_SECRET:
            self._used[value] = name
        return value
