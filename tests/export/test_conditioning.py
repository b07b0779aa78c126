"""A network whose own numbers float32 does not hold is told so; a wrong graph is still called wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from edgeseg.errors import ExportError, ParityError
from edgeseg.export import exporter
from edgeseg.export.exporter import Settings, export_network
from edgeseg.models.network import Network

SETTINGS = Settings("tiny", (16, 24), output_kind="logits")


class Times(nn.Module):
    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, image: Tensor) -> Tensor:
        return image * self.factor


def scaled(*factors: float) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), *map(Times, factors))


def export(folder: Path, module: nn.Module) -> None:
    network = Network(module.eval(), "semantic", (0.0,) * 3, (1.0,) * 3, head="logits")
    export_network(network, folder / "m.onnx", SETTINGS)


@pytest.fixture
def wrong_graph(monkeypatch: pytest.MonkeyPatch) -> None:
    correct = exporter.run_all

    def wrong(*arguments: Any) -> list[dict[str, Any]]:
        return [{name: 1.1 * array for name, array in outputs.items()} for outputs in correct(*arguments)]

    monkeypatch.setattr(exporter, "run_all", wrong)


@pytest.mark.usefixtures("wrong_graph")
def test_a_layer_that_underflows_is_blamed_and_not_the_graph(tmp_path: Path) -> None:
    with pytest.raises(
        ExportError, match=r"no graph can be proven: .* float64, .*: the output of 1 is below"
    ):
        export(tmp_path, scaled(1e-44, 1e38))
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("wrong_graph")
def test_a_wrong_graph_of_a_sound_network_is_still_refused(tmp_path: Path) -> None:
    with pytest.raises(ParityError, match="does not compute what PyTorch computes"):
        export(tmp_path, scaled(2.0))


class Autocast(nn.Module):
    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__()
        self.dtype = dtype
        self.conv = nn.Conv2d(3, 3, 1)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        with torch.autocast("cpu", dtype=self.dtype):
            return self.conv(image).float()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.usefixtures("wrong_graph")
def test_a_network_in_half_precision_is_named_and_not_its_graph(dtype: torch.dtype, tmp_path: Path) -> None:
    kind = str(dtype).removeprefix("torch.")
    with pytest.raises(ExportError, match=rf"computes in {kind}, first in conv, .*module\.float\(\)"):
        export(tmp_path, Autocast(dtype))
    assert not list(tmp_path.iterdir())
