"""The page of engines has every backend with its extra and its devices."""

from __future__ import annotations

import re

import pytest

from edgeseg.engines.registry import backends, facts_of
from tests.docs.blocks import ROOT

ROWS = re.findall(r"^\| `(\w+)` \| (.*)$", (ROOT / "docs" / "engines.md").read_text(), re.MULTILINE)


def test_the_page_has_every_backend() -> None:
    assert sorted(name for name, _ in ROWS) == sorted(backends())


@pytest.mark.parametrize("backend", backends())
def test_a_row_has_what_the_backend_says_of_itself(backend: str) -> None:
    row, facts = dict(ROWS)[backend], facts_of(backend)
    assert f"`{facts.extra}`" in row
    missing = [device for device in facts.devices if f"`{device}`" not in row]
    assert missing == []
    assert ("both lowerings" in row) == (len(facts.lowerings) > 1)
