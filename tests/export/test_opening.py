"""What a user has of a network becomes one that can be exported, and stays as it was."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from edgeseg.errors import ExportError, UsageError
from edgeseg.export.opening import open_trained
from edgeseg.models import zoo
from edgeseg.models.network import Network

OWN = """
from torch import nn

def build():
    return nn.Sequential(nn.Conv2d(3, 2, 1), nn.BatchNorm2d(2))
"""


def tiny() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 2, 1), nn.BatchNorm2d(2))


def test_a_module_that_is_being_trained_stays_as_it_is() -> None:
    module = tiny().train()
    opened = open_trained(module, norm_eps=0.25)
    assert (opened.name, opened.network.task) == ("Sequential", "semantic")
    assert not opened.network.module.training
    assert module.training
    assert (module[1].eps, opened.network.module[1].eps) == (1e-5, 0.25)
    assert torch.equal(module[0].weight, opened.network.module[0].weight)


def test_what_a_network_says_of_itself_is_kept() -> None:
    said = Network(tiny(), "semantic", channel_order="bgr", class_names=("ground", "crack"))
    opened = open_trained(said)
    assert opened.network.module is not said.module
    assert (opened.network.channel_order, opened.network.class_names) == ("bgr", ("ground", "crack"))


def test_weights_are_loaded_into_the_copy(tmp_path: Path) -> None:
    module, trained = tiny(), tiny()
    before = module[0].weight.clone()
    wrapped = {f"student.{name}": value for name, value in trained.state_dict().items()}
    torch.save({**wrapped, "teacher.0.bias": torch.zeros(2)}, tmp_path / "w.pth")
    opened = open_trained(module, tmp_path / "w.pth", prefix="student")
    assert torch.equal(opened.network.module[0].weight, trained[0].weight)
    assert torch.equal(module[0].weight, before)
    assert opened.checkpoint_sha256
    assert any("teacher" in note for note in opened.notes)


def test_what_cannot_be_copied_is_refused_with_another_way() -> None:
    class Held(nn.Module):
        def __deepcopy__(self, memo: object) -> Held:
            raise TypeError("it holds a camera")

    with pytest.raises(ExportError, match="Held cannot be copied") as refused:
        open_trained(Held())
    assert "(it holds a camera); export it by the place of a function" in str(refused.value)


def test_a_network_of_the_zoo_needs_weights() -> None:
    with pytest.raises(UsageError, match="unet needs trained weights"):
        open_trained("unet")


def test_the_epsilon_is_set_and_asked_for_where_the_file_cannot_tell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own.py").write_text(OWN)
    assert open_trained(f"{tmp_path / 'own.py'}:build", norm_eps=0.25).network.module[1].eps == 0.25

    monkeypatch.setattr(zoo, "COCO_V1_NETWORK", "demo_maskrcnn")
    weights = zoo.create("demo_maskrcnn").module.state_dict()
    frozen = {key: value for key, value in weights.items() if not key.endswith("num_batches_tracked")}
    torch.save(frozen, tmp_path / "w.pth")
    for eps, noted in ((None, True), (0.0, False)):
        opened = open_trained("demo_maskrcnn", tmp_path / "w.pth", norm_eps=eps)
        assert any("--norm-eps 0" in note for note in opened.notes) == noted
    assert opened.network.module.backbone.body.bn1.eps == 0.0
