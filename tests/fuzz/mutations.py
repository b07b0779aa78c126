"""Turn valid bytes and JSON values into damaged and hostile ones; equal random numbers give equal ones."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

NUMBERS = (
    0,
    -1,
    1,
    255,
    256,
    2**31 - 1,
    2**31,
    2**32,
    2**63 - 1,
    2**63,
    10**30,
    -(2**63),
    1.5,
    1e308,
    1e-320,
)
SHORT_FIELDS = (b"\x00\x00\x00\x00", b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\x00\x00\x00\x80")
TEXTS = (
    "",
    "\0",
    "\x1b[31m",
    "\n",
    "..",
    "../../x",
    "/etc/passwd",
    "é\U0001f600",
    "\udcff",
    "a" * 5000,
    "[/red]",
)
MOST_STEPS = 4  # mutations of one sample
NESTING = 50_000


def mutated_bytes(block: bytes, rng: random.Random) -> bytes:
    """Flip, cut, double, move and overwrite pieces of a file."""
    data = bytearray(block)
    for _ in range(rng.randint(1, MOST_STEPS)):
        if not data:
            break
        rng.choice(_BYTES)(data, rng)
    return bytes(data)


def mutated_json(value: Any, rng: random.Random) -> Any:
    """Change one value of a document, wherever it stands."""
    places = list(_places(value))
    if not places:
        return _hostile(rng)
    holder, key = rng.choice(places)
    action = rng.randrange(5)
    if action == 0:
        del holder[key]
    elif action == 1 and isinstance(holder, dict):
        holder[rng.choice((*TEXTS, "surprise"))] = holder.pop(key)
    elif action == 2 and isinstance(holder[key], (list, dict)):
        holder[key] = type(holder[key])()
    elif action == 3 and isinstance(holder[key], (list, str)):
        holder[key] = holder[key] * rng.choice((2, 300))
    else:
        holder[key] = _hostile(rng)
    return value


def mutated_json_text(value: Any, rng: random.Random) -> bytes:
    """Change a document as a value, as a text, or nest it without end."""
    changed = json.dumps(mutated_json(json.loads(json.dumps(value)), rng))
    way = rng.randrange(6)
    if way == 0:
        return mutated_bytes(changed.encode(), rng)
    if way == 1:
        return b"[" * NESTING if rng.random() < 0.5 else b'{"a":' * NESTING
    return changed.encode()


def _places(value: Any) -> list[tuple[Any, Any]]:
    found: list[tuple[Any, Any]] = []
    waiting = [value]
    while waiting:
        holder = waiting.pop()
        keys = holder if isinstance(holder, dict) else range(len(holder)) if isinstance(holder, list) else ()
        for key in keys:
            found.append((holder, key))
            waiting.append(holder[key])
    return found


def _hostile(rng: random.Random) -> Any:
    kind = rng.randrange(4)
    if kind == 0:
        return rng.choice(NUMBERS)
    if kind == 1:
        return rng.choice(TEXTS)
    if kind == 2:
        return rng.choice((None, True, False, [], {}, [[[]]], {"a": {}}))
    return float(rng.choice(("nan", "inf", "-inf")))


def _flip(data: bytearray, rng: random.Random) -> None:
    for _ in range(rng.choice((1, 1, 2, 16))):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def _cut(data: bytearray, rng: random.Random) -> None:
    del data[rng.randrange(len(data)) :]


def _drop(data: bytearray, rng: random.Random) -> None:
    first, length = _piece(data, rng)
    del data[first : first + length]


def _double(data: bytearray, rng: random.Random) -> None:
    first, length = _piece(data, rng)
    data[first:first] = data[first : first + length] * rng.choice((1, 1, 20))


def _move(data: bytearray, rng: random.Random) -> None:
    first, length = _piece(data, rng)
    piece = data[first : first + length]
    to = rng.randrange(len(data))
    data[to : to + length] = piece


def _overwrite(data: bytearray, rng: random.Random) -> None:
    at = rng.randrange(len(data))
    data[at : at + 4] = rng.choice(SHORT_FIELDS)


def _noise(data: bytearray, rng: random.Random) -> None:
    first, length = _piece(data, rng)
    data[first : first + length] = rng.randbytes(length)


def _piece(data: bytearray, rng: random.Random) -> tuple[int, int]:
    return rng.randrange(len(data)), rng.randint(1, min(len(data), rng.choice((4, 64, 4096))))


_BYTES: tuple[Callable[[bytearray, random.Random], None], ...] = (
    _flip,
    _flip,
    _cut,
    _drop,
    _double,
    _move,
    _overwrite,
    _noise,
)
