"""The benchmark of engines keeps a network's latest figures, and ends its rounds when the time is over."""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("torch")

from benchmarks import engines
from benchmarks.engines import FEW, put_row, time_in_turn


class Contender:
    """Takes a time of its own, and no process."""

    def __init__(self, name: str, ms: float) -> None:
        self.name, self.ms = name, ms
        self.child = SimpleNamespace(pid=os.getpid())
        self.refused = None
        self.times_ms: list[float] = []
        self.infer_ms: list[float] = []
        self.processor_ms: list[float] = []

    def run(self, times: int) -> dict[str, float]:
        return {"ms": self.ms, "infer_ms": 0.0}


@pytest.fixture
def contenders(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    monkeypatch.setattr(engines, "SETTLE_S", 0.0)
    return [Contender("ours", 10.0), Contender("near", 20.0), Contender("slow", 50.0)]


def test_a_slow_contender_is_timed_a_few_times_only(contenders: list[Any]) -> None:
    time_in_turn(contenders, 5)
    assert [len(one.times_ms) for one in contenders] == [5, 5, FEW]


def test_after_its_time_a_network_gets_few_rounds(contenders: list[Any]) -> None:
    time_in_turn(contenders, 5, deadline_s=0.0)
    assert [len(one.times_ms) for one in contenders] == [FEW, FEW, FEW]


def test_figures_of_a_network_take_the_place_of_its_earlier_ones(tmp_path: Path) -> None:
    path = tmp_path / "engines.jsonl"
    for row, ms in (("unet", 1.0), ("deeplab", 2.0), ("unet", 3.0)):
        put_row(path, {"row": row, "ms": ms})
    assert [json.loads(line) for line in path.read_text().splitlines()] == [
        {"row": "deeplab", "ms": 2.0},
        {"row": "unet", "ms": 3.0},
    ]


def test_a_peer_whose_interpreter_is_not_there_is_a_row_that_says_so(tmp_path: Path) -> None:
    asked = SimpleNamespace(threads=1, model_api_python=str(tmp_path / "python"), opening_seconds=1.0)
    process = engines._started("model_api", tmp_path, asked)
    process.close()
    assert process.refused == "is not installed"
