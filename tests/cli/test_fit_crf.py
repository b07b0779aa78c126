"""`edgeseg fit-crf` on an engine with coarse logits."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeseg.cli import status_of
from edgeseg.manifest import read_manifest, replace_manifest
from edgeseg.runtime.crf import fit
from edgeseg.runtime.crf.refinement import DEFAULT
from edgeseg.spec import CRFSpec
from tests.runtime.tiny_models import instance_engine, logits_engine


@pytest.fixture
def labelled(tmp_path: Path) -> tuple[Path, Path]:
    """Write five images with a bright rectangle, and their label maps."""
    folders = tmp_path / "images", tmp_path / "labels"
    for folder in folders:
        folder.mkdir()
    for i in range(5):
        truth = np.zeros((32, 48), np.uint8)
        truth[5 + i : 21 + i, 7 + i : 30 + i] = 1
        cv2.imwrite(str(folders[0] / f"{i}.png"), truth[..., None].repeat(3, axis=2) * 250)
        cv2.imwrite(str(folders[1] / f"{i}.png"), truth)
    return folders


def test_parameters_are_kept_in_the_engine(tmp_path, labelled, monkeypatch, capsys):
    monkeypatch.setattr(fit, "COARSE", 3)
    monkeypatch.setattr(fit, "FINE", 2)
    engine = logits_engine(tmp_path / "engine")
    images, labels = map(str, labelled)
    report = tmp_path / "report.json"
    arguments = ["fit-crf", str(engine), "--images", images, "--labels", labels, "--json", str(report)]
    assert status_of(arguments) == 0
    found = json.loads(report.read_text())
    crf = read_manifest(engine, check_files=True).spec.crf
    assert crf is not None
    assert found["crf"]["appearance_colour"] == crf.appearance_colour
    assert found["held_out"]["fitted"]["boundary_f"] >= found["held_out"]["without"]["boundary_f"]
    assert "3 images to fit, 2 held out" in capsys.readouterr().out
    assert status_of(["run", str(engine), images, "--crf", "--frames", "2"]) == 0


@pytest.mark.parametrize("own", [None, CRFSpec(32, smoothness_weight=2.5)])
def test_what_is_worse_on_images_held_out_is_not_kept(tmp_path, labelled, monkeypatch, capsys, own):
    """The search is led astray; the engine keeps what it had, or gets the defaults."""
    monkeypatch.setattr(fit, "fit", lambda *args, **options: CRFSpec(32, 200, 250, 200, 9, 200, 8))
    engine = logits_engine(tmp_path / "engine")
    manifest = read_manifest(engine)
    replace_manifest(engine, replace(manifest, spec=replace(manifest.spec, crf=own)))
    report = tmp_path / "report.json"
    images, labels = map(str, labelled)
    arguments = ["fit-crf", str(engine), "--images", images, "--labels", labels, "--json", str(report)]
    assert status_of(arguments) == 0
    found = json.loads(report.read_text())
    scores = found["held_out"]
    assert scores["fitted"]["miou"] < scores["without"]["miou"]
    kept = read_manifest(engine, check_files=True).spec.crf
    assert kept == {"own": own, "default": DEFAULT}[found["kept"]]
    best = max(scores[name]["boundary_f"] for name in scores if name not in ("without", "fitted"))
    assert scores[found["kept"]]["boundary_f"] == best
    assert f"kept: {found['kept']}" in capsys.readouterr().out


def test_images_without_labels_are_refused(tmp_path, labelled, capsys):
    engine = logits_engine(tmp_path / "engine")
    (labelled[1] / "0.png").unlink()
    (labelled[1] / "1.png").unlink()
    arguments = ["fit-crf", str(engine), "--images", str(labelled[0]), "--labels", str(labelled[1])]
    assert status_of(arguments) == 2
    assert "3 of 5 images" in capsys.readouterr().err


def test_labels_beyond_the_classes_are_refused(tmp_path, labelled, capsys):
    engine = logits_engine(tmp_path / "engine")
    cv2.imwrite(str(labelled[1] / "2.png"), np.full((32, 48), 9, np.uint8))
    arguments = ["fit-crf", str(engine), "--images", str(labelled[0]), "--labels", str(labelled[1])]
    assert status_of(arguments) == 2
    assert "the network has 2 classes, 255 is not counted" in capsys.readouterr().err


def test_engines_that_find_instances_are_refused(tmp_path, labelled, capsys):
    engine = instance_engine(tmp_path / "engine", [[0, 0, 8, 8]], [0.9])
    arguments = ["fit-crf", str(engine), "--images", str(labelled[0]), "--labels", str(labelled[1])]
    assert status_of(arguments) == 2
    assert "finds instances" in capsys.readouterr().err
