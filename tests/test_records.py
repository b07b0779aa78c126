"""Dataclasses survive the way to JSON and back, and wrong fields are named."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest

from edgeseg.errors import SpecError
from edgeseg.records import from_json_value, to_json_value


@dataclass(frozen=True)
class Inner:
    name: str
    shape: tuple[int | None, ...] = ()


@dataclass(frozen=True)
class Outer:
    kind: Literal["a", "b"]
    pair: tuple[int, float]
    inner: Inner | None
    many: tuple[Inner, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)


GOOD = {
    "kind": "a",
    "pair": [1, 2],
    "inner": {"name": "x", "shape": [1, None]},
    "many": [{"name": "y"}],
    "extra": {"free": [1]},
}


def test_round_trip_through_json() -> None:
    outer = Outer("b", (3, 0.5), Inner("n", (1, None)), (Inner("m"),), {"threads": 2})
    assert from_json_value(Outer, json.loads(json.dumps(to_json_value(outer)))) == outer


def test_missing_defaults_and_whole_numbers_are_filled_in() -> None:
    outer = from_json_value(Outer, GOOD)
    assert outer.pair == (1, 2.0)
    assert isinstance(outer.pair[1], float)
    assert outer.many == (Inner("y", ()),)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "c"}, r"kind must be one of 'a', 'b', got 'c'"),
        ({"pair": [1]}, r"pair must have 2 items, got 1"),
        ({"pair": "ab"}, r"pair must be a list"),
        ({"pair": [True, 2]}, r"pair\[0\] must be int, got bool"),
        ({"inner": {"name": 3}}, r"inner.name must be str, got int 3"),
        ({"inner": {}}, r"inner.name is missing"),
        ({"inner": []}, r"inner must be an object"),
        ({"extra": 1}, r"extra must be an object"),
        ({"surprise": 1}, r"unknown fields: surprise"),
    ],
)
def test_wrong_fields_are_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        from_json_value(Outer, {**GOOD, **change})
