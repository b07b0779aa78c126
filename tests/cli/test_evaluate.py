"""`edgeseg evaluate` on engines of a few nodes, beside their portable models and each other."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edgeseg.cli import status_of
from tests.cli.error_lines import error_line
from tests.runtime.tiny_models import instance_engine, labels_engine, logits_engine, portable_model

SIZE_HW = (32, 48)


@pytest.fixture
def labelled(tmp_path: Path) -> list[str]:
    """Five images with a bright rectangle, of which the maps of two leave out a part; as arguments."""
    for i in range(5):
        image = np.zeros((*SIZE_HW, 3), np.uint8)
        image[8:24, 8:40] = 250
        truth = np.zeros(SIZE_HW, np.uint8)
        truth[8 : 24 - 2 * i * (i > 2), 8:40] = 1
        for name, content in (("images", image), ("labels", truth)):
            (tmp_path / name).mkdir(exist_ok=True)
            cv2.imwrite(str(tmp_path / name / f"{i}.png"), content)
    return ["--images", str(tmp_path / "images"), "--labels", str(tmp_path / "labels")]


def evaluate(*arguments: object) -> int:
    return status_of(["evaluate", *map(str, arguments)])


def test_figures_of_labels_are_those_worked_by_hand(tmp_path: Path, labelled: list[str], capsys: Any) -> None:
    engine = labels_engine(tmp_path / "engine")
    assert evaluate(engine, *labelled, "--json", "-") == 0
    report = json.loads(capsys.readouterr().out)
    found, missed = 5 * 16 * 32, (6 + 8) * 32  # bright pixels, and those that are not true
    dark = 5 * 32 * 48 - found
    bright_iou, dark_iou = (found - missed) / found, dark / (dark + missed)
    assert [one["iou"]["value"] for one in report["classes"]] == pytest.approx([dark_iou, bright_iou])
    assert report["figures"]["miou"]["value"] == pytest.approx((bright_iou + dark_iou) / 2)
    assert report["confusion"]["counts"] == [[dark, missed, 0], [0, found - missed, 0]]
    assert (report["images"], report["against"], report["worst"]) == (5, None, [])


def test_pictures_numbers_and_a_table_come_of_it(tmp_path: Path, labelled: list[str], capsys: Any) -> None:
    engine, folder = labels_engine(tmp_path / "engine"), tmp_path / "out"
    assert evaluate(engine, *labelled, "-o", folder, "--worst", 2) == 0
    out = capsys.readouterr()
    assert "5 images, tiny labels: onnxruntime, fp32, cpu" in out.out
    assert "worst by score: 4.png" in out.out
    assert [line.split()[0] for line in out.out.splitlines() if line.startswith(" ")] == [
        "percent", "mIoU", "boundary", "right", "class", "dark", "bright",
    ]  # fmt: skip
    assert "note: intervals of 5 images are too narrow" in out.err
    assert sorted(path.name for path in (folder / "worst").iterdir()) == ["01-4.png", "02-3.png"]
    assert json.loads((folder / "report.json").read_text())["images"] == 5
    assert cv2.imread(str(folder / "confusion.png")) is not None


def test_beside_its_portable_model_an_engine_that_is_the_same_loses_nothing(
    tmp_path: Path, labelled: list[str], capsys: Any
) -> None:
    engine = labels_engine(tmp_path / "engine")
    model = portable_model(engine, tmp_path / "model.onnx")
    assert evaluate(engine, *labelled, "--against", model) == 0
    out = capsys.readouterr().out
    assert "against tiny labels: onnxruntime, fp32, cpu" in out
    assert "0 of 7680 pixels differ (0.000%), in 0 images" in out
    miou = next(line.split() for line in out.splitlines() if line.startswith(" mIoU"))
    assert miou[1] == miou[5]  # 83.59, an interval, 83.59
    assert miou[6:] == ["0.00", "0.00", "to", "0.00"]


def test_a_coarser_engine_loses_what_the_difference_says(
    tmp_path: Path, labelled: list[str], capsys: Any
) -> None:
    """At stride 8 the rectangle of 8 to 24 by 8 to 40 loses its corners when logits are interpolated."""
    fine, coarse = labels_engine(tmp_path / "fine"), logits_engine(tmp_path / "coarse")
    assert evaluate(coarse, *labelled, "--against", fine, "--json", "-") == 0
    both = json.loads(capsys.readouterr().out)
    reports = []
    for engine in (coarse, fine):
        assert evaluate(engine, *labelled, "--json", "-") == 0
        reports.append(json.loads(capsys.readouterr().out))
    for name, figure in both["figures"].items():
        ours, theirs = (report["figures"][name]["value"] for report in reports)
        assert (figure["value"], figure["against"]) == (ours, theirs)
        assert figure["difference"] == pytest.approx(ours - theirs)
    assert both["disagreement"]["pixels_different"] > 0
    assert both["figures"]["pixel_accuracy"]["difference"] < 0


def test_objects_are_measured_by_a_coco_json(tmp_path: Path, labelled: list[str], capsys: Any) -> None:
    engine = instance_engine(tmp_path / "engine", [[8, 8, 40, 24], [0, 0, 8, 8]], [0.9, 0.8])
    boxes = {0: [[8, 8, 32, 16]], 1: [[8, 8, 32, 16]], 2: [], 3: [[8, 8, 32, 16], [40, 0, 8, 8]], 4: []}
    content = {
        "images": [{"id": i, "file_name": f"{i}.png", "height": 32, "width": 48} for i in boxes],
        "categories": [{"id": 5, "name": "thing 1"}],
        "annotations": [
            {
                "id": 10 * i + k,
                "image_id": i,
                "category_id": 5,
                "bbox": [x, y, w, h],
                "segmentation": [[x, y, x + w, y, x + w, y + h, x, y + h]],
            }
            for i, of_image in boxes.items()
            for k, (x, y, w, h) in enumerate(of_image)
        ],
    }
    labels = tmp_path / "instances.json"
    labels.write_text(json.dumps(content))
    assert evaluate(engine, *labelled[:2], "--labels", labels, "--json", "-") == 0
    out = capsys.readouterr()
    report = json.loads(out.out)
    # of 4 objects 3 are found by 5 detections of one score, in the order of images: right, right, wrong,
    # right, wrong; precision 1 up to recall 2/4, then 3/4 up to 3/4: 51 and 25 of 101 recalls
    expected = (51 + 25 * 3 / 4) / 101
    assert report["figures"]["box_ap"]["value"] == pytest.approx(expected)
    assert report["figures"]["mask_ap50"]["value"] == pytest.approx(expected)
    assert report["figures"]["f1"]["value"] == pytest.approx(2 * 3 / (4 + 5))
    assert report["confusion"] == {
        "true": ["(nothing)", "thing 1", "thing 2"],
        "found": ["(nothing)", "thing 1", "thing 2"],
        "counts": [[0, 2, 0], [1, 3, 0], [0, 0, 0]],
    }
    assert any("1 classes of the network are no categories" in note for note in report["notes"])
    assert evaluate(engine, *labelled[:2], "--labels", labels) == 0
    assert "mask AP50" in capsys.readouterr().out


def test_colours_values_and_names_are_what_the_options_say(
    tmp_path: Path, labelled: list[str], capsys: Any
) -> None:
    engine = labels_engine(tmp_path / "engine")
    palette = tmp_path / "colours.txt"
    palette.write_text("#101010\n#ff0000\n")
    for i, path in enumerate(sorted((tmp_path / "labels").iterdir())):
        truth = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        colours = np.array([(16, 16, 16), (0, 0, 255)], np.uint8)[truth]
        cv2.imwrite(str(path.with_name(f"{i}_mask.png")), colours if i else np.full(SIZE_HW, 7, np.uint8))
        path.unlink()
    options = ("--palette", palette, "--label-suffix", "_mask", "--map-label", "7=1", "--json", "-")
    assert evaluate(engine, *labelled, *options) == 0
    report = json.loads(capsys.readouterr().out)
    first, *others = (one["score"] for one in report["each_image"])
    assert first == pytest.approx(16 * 32 / (32 * 48))  # all of it is bright
    assert others[:2] == [1.0, 1.0]
    assert evaluate(engine, *labelled, *options, "--ignore-label", "7") == 0
    report = json.loads(capsys.readouterr().out)
    assert sum(one["true_pixels"] for one in report["classes"]) == 5 * 32 * 48  # the rule is said later


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--ignore-label", "many"], "neither a value of 0 to 65535 nor none"),
        (["--map-label", "1=9"], "names class 9; the network's are 0 to 1"),
        (["--palette", "voc"], "the palette has 21 colours, the network 2 classes"),
        (["--label-suffix", "_x"], "none of the 5 images"),
        (["--against", "{engine}/model.onnx"], "was not made by edgeseg"),
        (["-o", "{engine}/out"], "lie within each other; write elsewhere"),
        (["-o", "{images}"], "holds something else than an evaluation"),
        (["--json", "{engine}/report.json"], "lies within the engine"),
    ],
)
def test_what_does_not_fit_is_refused_before_any_work(
    tmp_path: Path, labelled: list[str], capfd: Any, options: list[str], message: str
) -> None:
    engine = labels_engine(tmp_path / "engine")
    filled = [option.format(engine=engine, images=labelled[1]) for option in options]
    assert evaluate(engine, *labelled, *filled) in (1, 2)
    assert message in capfd.readouterr().err


def test_a_label_map_that_does_not_fit_ends_in_one_line(
    tmp_path: Path, labelled: list[str], capfd: Any
) -> None:
    engine = labels_engine(tmp_path / "engine")
    cv2.imwrite(str(tmp_path / "labels" / "2.png"), np.full(SIZE_HW, 9, np.uint8))
    assert evaluate(engine, *labelled, "-o", tmp_path / "out") == 2
    assert "2.png has the value 9; the network has 2 classes" in error_line(capfd)
    assert not (tmp_path / "out").exists()
