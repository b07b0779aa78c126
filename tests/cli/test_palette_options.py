"""Colours and the background come from the command line into the spec."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgeseg.cli import status_of
from edgeseg.cli.options import read_class_names
from edgeseg.cli.palette_options import read_palette
from edgeseg.errors import UsageError
from edgeseg.graph.portable import PortableModel

NETWORK = """
from torch import nn

def build():
    return nn.Conv2d(3, 3, 1)
"""


def test_a_palette_is_a_line_a_colour(tmp_path: Path) -> None:
    path = tmp_path / "palette.txt"
    path.write_text("#ff8000\n\n 1,2,3\n4 5  6\n255, 0, 0 \n")
    assert read_palette(path) == ((255, 128, 0), (1, 2, 3), (4, 5, 6), (255, 0, 0))


@pytest.mark.parametrize(
    "text", ["", "red", "#ff80", "1,2", "1,2,3,4", "256,0,0", "-1,0,0", "1.5,0,0", "\x00"]
)
def test_what_is_no_colour_is_refused_with_the_form(text: str, tmp_path: Path) -> None:
    path = tmp_path / "palette.txt"
    path.write_text(text)
    with pytest.raises(UsageError, match="one colour a line in the order of the classes, #rrggbb or r,g,b"):
        read_palette(path)


def test_palette_and_background_reach_the_spec(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "net.py").write_text(NETWORK)
    palette, model = tmp_path / "palette.txt", tmp_path / "model.onnx"
    palette.write_text("#010203\n#040506\n#070809\n")
    common = ["export", f"{tmp_path}/net.py:build", "--size", "16x16", "-o", str(model)]
    assert status_of([*common, "--palette", str(palette), "--background", "2"]) == 0
    assert PortableModel.read(model).spec.palette_rgb == ((1, 2, 3), (4, 5, 6), (0, 0, 0))
    assert status_of([*common, "--background", "3"]) == 2
    assert "one of the classes 0 to 2, got 3" in capfd.readouterr().err
    assert status_of([*common, "--background", "sky"]) == 2
    assert "neither the id of a class nor none" in capfd.readouterr().err
    palette.write_text("#010203\n")
    assert status_of([*common, "--palette", str(palette)]) == 2
    assert "3 classes, but 1 colours are given" in capfd.readouterr().err


def test_a_data_sets_colours_and_names_are_taken_by_its_name(tmp_path: Path) -> None:
    assert read_palette(Path("cityscapes"))[0] == (128, 64, 128)
    assert read_class_names(Path("cityscapes"))[:2] == ("road", "sidewalk")
    with pytest.raises(UsageError, match="no data set of that name; there are voc, coco, "):
        read_palette(tmp_path / "cityscape")


def test_names_of_another_data_set_are_refused_with_those_that_fit(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "net.py").write_text(NETWORK.replace("nn.Conv2d(3, 3, 1)", "nn.Conv2d(3, 60, 1)"))
    arguments = ["export", f"{tmp_path}/net.py:build", "--size", "32x32", "--classes", "ade20k"]
    assert status_of([*arguments, "-o", str(tmp_path / "model.onnx")]) == 2
    assert "the data set pascal-context-60 has so many" in capfd.readouterr().err
