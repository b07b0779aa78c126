"""Training turns scenes into checkpoints that the zoo's networks take."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn

from edgeseg.models import zoo
from edgeseg.scenes.scene import CLASS_NAMES, Scene, generate
from tools.training.__main__ import half_precision, make_checkpoint
from tools.training.datasets import instance_batches, semantic_batches
from tools.training.fitting import Schedule, fit, rate_share
from tools.training.train_semantic import semantic_loss
from tools.training.trainings import TRAININGS, start


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    return [generate(seed, (96, 128)) for seed in range(4)]


@pytest.mark.parametrize("name", list(TRAININGS))
def test_a_step_of_training_makes_a_checkpoint_the_zoo_takes(
    name: str, scenes: list[Scene], tmp_path: Path
) -> None:
    path = tmp_path / f"{name}.safetensors"
    schedule = Schedule(steps=1, minutes=5.0, batch=2, peak_rate=1e-3)
    accuracy = make_checkpoint(name, schedule, scenes, scenes[:1], path)
    assert all(0.0 <= value <= 1.0 for value in accuracy.values())
    weights = load_file(path)
    zoo.create(f"demo_{name}").module.load_state_dict(weights, strict=True)
    assert {w.dtype for w in weights.values()} == {torch.float16, torch.int64}
    with safe_open(path, "pt") as checkpoint:
        metadata = checkpoint.metadata()
    assert json.loads(metadata["class_names"]) == list(CLASS_NAMES)
    assert json.loads(metadata["accuracy"]).keys() == accuracy.keys()
    assert metadata["steps"] == "1"


@pytest.mark.parametrize("name", list(TRAININGS))
def test_a_network_starts_from_its_teacher_and_learns_from_it(
    name: str, scenes: list[Scene], tmp_path: Path
) -> None:
    teacher = start(TRAININGS[name], tmp_path, wide=True)
    save_file(half_precision(teacher.state_dict()), tmp_path / "wide.safetensors")
    schedule = Schedule(steps=1, minutes=5.0, batch=2, peak_rate=1e-3)
    path = tmp_path / f"{name}.safetensors"
    make_checkpoint(name, schedule, scenes, scenes[:1], path, teacher=tmp_path / "wide.safetensors")
    zoo.create(f"demo_{name}").module.load_state_dict(load_file(path), strict=True)
    assert path.stat().st_size < (tmp_path / "wide.safetensors").stat().st_size / 2


def test_mask_rcnn_trains_and_measures_at_the_frames_own_size() -> None:
    network = TRAININGS["maskrcnn"].build()
    images, _ = network.transform([torch.zeros(3, 96, 128)])
    assert images.image_sizes == [(96, 128)]


def test_deeplab_starts_from_the_backbone_of_mask_rcnn(tmp_path: Path) -> None:
    for wide in (False, True):
        donor = start(TRAININGS["maskrcnn"], tmp_path, wide=wide).state_dict()
        save_file(donor, tmp_path / "maskrcnn.safetensors")
        heir = start(TRAININGS["deeplab"], tmp_path, wide=wide).state_dict()
        for layer in ("layer1.0.conv1.weight", "layer4.1.conv2.weight"):
            assert torch.equal(heir[f"backbone.{layer}"], donor[f"backbone.body.{layer}"])


def test_fitting_lowers_the_loss_and_stops_at_its_last_step() -> None:
    torch.manual_seed(0)
    line = nn.Linear(1, 1)
    x = torch.linspace(-1, 1, 16)[:, None]
    seen: list[float] = []
    losses = (((line(x) - 3 * x - 1) ** 2).mean() for _ in iter(int, 1))
    steps = fit(line, losses, Schedule(300, 5.0, 16, 0.05), lambda _, loss: seen.append(loss))
    assert steps == len(seen) == 300
    assert seen[-1] < 0.01 * seen[0]


def test_fitting_stops_when_its_time_is_up() -> None:
    line = nn.Linear(1, 1)
    losses = (line(torch.ones(1, 1)).sum() for _ in iter(int, 1))
    assert fit(line, losses, Schedule(10**9, 0.001, 1, 0.1), lambda _step, _loss: None) < 10**9


def test_the_rate_rises_then_falls() -> None:
    rates = [rate_share(progress) for progress in np.linspace(0, 1, 101)]
    peak = int(np.argmax(rates))
    assert rates[peak] == pytest.approx(1.0)
    assert rates[:peak] == sorted(rates[:peak])
    assert rates[peak:] == sorted(rates[peak:], reverse=True)
    assert rates[-1] == pytest.approx(0.01)


def test_sure_and_right_logits_cost_nothing() -> None:
    labels = torch.tensor([[[0, 1], [2, 1]]]).repeat_interleave(40, 1).repeat_interleave(40, 2)
    logits = nn.functional.one_hot(labels, 3).permute(0, 3, 1, 2) * 50.0
    assert semantic_loss(logits, labels).item() == pytest.approx(0.0, abs=1e-4)
    assert semantic_loss(-logits, labels).item() > 10.0


def test_batches_repeat_by_seed_and_keep_images_with_their_truth(scenes: list[Scene]) -> None:
    images, labels = next(semantic_batches(scenes, 4, seed=1))
    again, _ = next(semantic_batches(scenes, 4, seed=1))
    assert torch.equal(images, again)
    assert (images.shape, labels.shape) == ((4, 3, 96, 128), (4, 96, 128))
    known = {scene.labels.tobytes() for scene in scenes} | {
        scene.labels[:, ::-1].tobytes() for scene in scenes
    }
    assert all(label.numpy().astype(np.uint8).tobytes() in known for label in labels)


def test_boxes_stay_tight_when_a_scene_is_mirrored(scenes: list[Scene]) -> None:
    batches = instance_batches(scenes, 4, seed=2)
    for _ in range(4):
        _, targets, _ = next(batches)
        for target in targets:
            for mask, box in zip(target["masks"], target["boxes"], strict=True):
                rows, columns = torch.nonzero(mask, as_tuple=True)
                tight = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
                assert box.tolist() == [float(side) for side in tight]


def test_weights_beyond_half_precision_are_refused() -> None:
    with pytest.raises(OverflowError, match="bn1"):
        half_precision({"bn1.running_var": torch.tensor([1e6])})
