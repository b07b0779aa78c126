"""The page of benchmarks has every benchmark, and none that is gone."""

from __future__ import annotations

import re

from tests.docs.blocks import ROOT

BENCHMARKS = ROOT / "benchmarks"


def test_the_page_has_every_benchmark() -> None:
    listed = re.findall(r"^\| `(\w+)` \|", (BENCHMARKS / "README.md").read_text(), re.MULTILINE)
    assert listed == sorted(path.stem for path in BENCHMARKS.glob("[a-z]*.py"))
