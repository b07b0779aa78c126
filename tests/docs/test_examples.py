"""The programs in examples/ do what their docstrings say, as a user starts them."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from edgeseg.manifest import read_manifest
from edgeseg.scenes.scene import CLASS_NAMES
from tests.docs.blocks import ROOT
from tests.docs.supplies import SCENE_SIZE_HW, SCENES, Supplies

EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
MOST_LINES = 60
Example = Callable[..., str]


@pytest.fixture
def example(tmp_path: Path) -> Example:
    """Run a program of examples/ in a folder of its own; return what it printed."""

    def run(name: str, *arguments: object, options: tuple[str, ...] = ()) -> str:
        done = subprocess.run(
            [sys.executable, *options, ROOT / "examples" / name, *map(str, arguments)],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_each_is_short_and_says_what_it_shows(path: Path) -> None:
    text = path.read_text()
    assert ast.get_docstring(ast.parse(text))
    assert len(text.splitlines()) <= MOST_LINES
    assert f"examples/{path.name}" in text


def test_each_is_tested() -> None:
    own = Path(__file__).read_text()
    assert [path.name for path in EXAMPLES if f'"{path.name}"' not in own] == []


@pytest.mark.slow
def test_masks_of_a_folder(example: Example, supplies: Supplies, tmp_path: Path) -> None:
    supplies.put("images", tmp_path)
    supplies.put("deeplab-engine", tmp_path)
    said = example("masks_of_a_folder.py", "deeplab-engine", "images", "masks", "--class-name", "background")
    masks = sorted((tmp_path / "masks").glob("*.png"))
    assert [path.name for path in masks] == [f"{seed}.png" for seed in range(SCENES)]
    truth = supplies.at("label-maps")
    for path in masks:
        mask = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        assert mask.shape == SCENE_SIZE_HW
        background = cv2.imread(str(truth / path.name), cv2.IMREAD_UNCHANGED) == 0
        assert np.mean((mask == 255) == background) > 0.9  # the network is trained on such scenes
        assert f"{path.name}: {np.mean(mask == 255):.1%} background" in said


@pytest.mark.slow
def test_alarm_on_a_stream(example: Example, supplies: Supplies, tmp_path: Path) -> None:
    """The background covers more than half of every frame, so the alarm begins at once and never ends."""
    supplies.put("deeplab-engine", tmp_path)
    source = "synthetic:320x240?seed=1&frames=4"
    said = example(
        "alarm_on_a_stream.py", "deeplab-engine", source, "--class-name", "background", "--share", 0.5
    )
    assert said.startswith("frame 0: ALARM, background covers")
    assert said.count("\n") == 1
    assert CLASS_NAMES[0] == "background"


@pytest.mark.slow
def test_streams_on_one_engine(example: Example, supplies: Supplies, tmp_path: Path) -> None:
    supplies.put("deeplab-engine", tmp_path)
    sources = [f"synthetic:320x240?seed={seed}&frames={seed + 2}" for seed in range(3)]
    lines = example("streams_on_one_engine.py", "deeplab-engine", *sources).splitlines()
    assert [line.split(" frames, ")[0] for line in lines] == [
        f"{source}: {seed + 2}" for seed, source in enumerate(sources)
    ]
    assert all(" a second, with background" in line for line in lines)


def test_test_your_application(example: Example) -> None:
    said = example("test_your_application.py", options=("-m", "pytest", "-q", "-p", "no:cacheprovider"))
    assert "2 passed" in said


@pytest.mark.slow
def test_own_network(example: Example, tmp_path: Path) -> None:
    shapes = {"0.weight": (8, 3, 3, 3), "0.bias": (8,), "2.weight": (1, 8, 1, 1), "2.bias": (1,)}
    torch.save({name: torch.randn(shape) for name, shape in shapes.items()}, tmp_path / "own.pth")
    example("own_network.py", "own.pth", "made")
    manifest = read_manifest(tmp_path / "made" / "engine", check_files=True)
    assert manifest.spec.class_names == ("ground", "crack")
    assert manifest.spec.head.kind == "sigmoid"
