"""A portable model keeps what is known of it when its graph is let go, and reads that again if need be."""

from __future__ import annotations

import hashlib
from pathlib import Path

import onnx
import pytest

from edgeseg.graph.portable import PortableModel
from tests.export import small_networks
from tests.exported_models import ExportedModels


@pytest.fixture(scope="module")
def path(exported: ExportedModels) -> Path:
    return exported(small_networks.unet).path


def test_facts_outlive_the_graph(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = PortableModel.read(path)
    facts = (model.spec, model.golden, model.graph_sha256)
    model.release()
    monkeypatch.delattr(onnx, "load_model_from_string")
    assert (model.spec, model.golden, model.graph_sha256) == facts
    assert model.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert model.to_bytes() == path.read_bytes()


def test_a_graph_that_was_let_go_is_read_again(path: Path) -> None:
    model = PortableModel.read(path)
    before, layers = model.proto, model.view.layers()
    assert model.proto is before
    model.release()
    assert model.proto is not before
    assert model.proto == before
    assert model.view.layers() == layers


def test_a_graph_in_memory_is_the_same_after_it_was_let_go(path: Path) -> None:
    model = PortableModel.of(PortableModel.read(path).model, "it")
    data, layers = model.to_bytes(), model.view.layers()
    model.release()
    assert model.to_bytes() == data
    assert model.sha256 == hashlib.sha256(data).hexdigest()
    assert model.view.layers() == layers


def test_a_model_that_was_read_is_not_read_again(path: Path) -> None:
    model = PortableModel.read(path)
    assert PortableModel.read(model) is model
