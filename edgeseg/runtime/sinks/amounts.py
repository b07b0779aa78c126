"""Turn `24h` or `10GB`, as a user writes them, into seconds and bytes."""

from __future__ import annotations

import re
from dataclasses import dataclass

from edgeseg.errors import UsageError

SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
BYTES = {"kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
PARTS_KEPT = 10  # of what is kept, where it is not said how much a part holds
LEAST_S, LEAST_BYTES = 1.0, 100_000  # of a part


@dataclass(frozen=True)
class Amount:
    """A time, a size, or both, of which the one that is reached first counts.

    Attributes:
        seconds: None for any.
        size_bytes: None for any.
    """

    seconds: float | None = None
    size_bytes: int | None = None

    def part(self) -> Amount:
        """Give a tenth, but no less than makes sense as a file of its own."""
        return Amount(
            None if self.seconds is None else max(self.seconds / PARTS_KEPT, LEAST_S),
            None if self.size_bytes is None else max(self.size_bytes // PARTS_KEPT, LEAST_BYTES),
        )


def parse_amount(text: str, name: str) -> Amount:
    """Read a time (`90s`, `10m`, `24h`, `7d`), a size (`500MB`, `10GB`, decimal), or both with | between.

    Args:
        name: of the option, for the message.

    Raises:
        UsageError: if it is none of these, or less than a second or 100 kB.
    """
    found: dict[str, float] = {}
    for item in text.split("|"):
        match = re.fullmatch(r"(\d{1,12}(?:\.\d{1,6})?)\s*([A-Za-z]+)", item.strip())
        unit = "" if match is None else match[2]
        seconds = SECONDS.get(unit.lower())
        size = next((value for key, value in BYTES.items() if key.lower() == unit.lower()), None)
        kind = "bytes" if seconds is None else "seconds"
        if match is None or (seconds is None and size is None) or kind in found:
            raise UsageError(f"{name} {text!r} must be a time such as 24h, a size such as 10GB, or 24h|10GB")
        found[kind] = float(match[1]) * (seconds or size or 0)
    if found.get("seconds", LEAST_S) < LEAST_S or found.get("bytes", LEAST_BYTES) < LEAST_BYTES:
        raise UsageError(f"{name} {text!r} is less than a part may hold: 1s, or 100kB")
    size_bytes = found.get("bytes")
    return Amount(found.get("seconds"), None if size_bytes is None else int(size_bytes))
