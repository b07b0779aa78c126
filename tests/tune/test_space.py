"""The space holds what a machine can run, fp32 first, and says what cannot be had."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgeseg.engines.registry import facts_of
from edgeseg.errors import UsageError
from edgeseg.graph.portable import PortableModel
from edgeseg.tune.space import Plan, Space, chosen_sizes, plans_of
from tests.runtime.tiny_models import labels_engine, portable_model


@pytest.fixture(autouse=True)
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgeseg.tune.space.has_gpu", lambda: False)


def test_a_gpu_that_is_there_is_tried_beside_the_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgeseg.tune.space.has_gpu", lambda: True)
    plans = plans_of(1, Space(("onnxruntime",), ("fp32", "int8"), passes=False))
    assert [(plan.device, plan.precision) for plan in plans] == [
        ("cpu", "fp32"), ("cuda", "fp32"), ("cpu", "int8"),  # ONNX Runtime has no int8 on cuda
    ]  # fmt: skip


def test_one_backend_makes_an_engine_a_precision_and_fp32_with_and_without_passes() -> None:
    plans = plans_of(1, Space(("onnxruntime",)))
    assert [(plan.precision, plan.passes) for plan in plans] == [
        ("fp32", True), ("fp32", False), ("int8", False), ("fp16", False),
    ]  # fmt: skip
    assert {(plan.backend, plan.device) for plan in plans} == {("onnxruntime", "cpu")}


def test_what_is_asked_for_is_all_there_is() -> None:
    space = Space(("onnxruntime",), ("fp32",), passes=False)
    assert plans_of(2, space) == [
        Plan(0, "onnxruntime", "cpu", "fp32"),
        Plan(1, "onnxruntime", "cpu", "fp32"),
    ]


def test_a_precision_that_no_backend_has_is_refused() -> None:
    pytest.importorskip("MNN", reason="MNN computes in fp32 alone")
    assert facts_of("mnn").precisions == ("fp32",)
    with pytest.raises(UsageError, match="mnn cannot compute in int8 on cpu; allow others"):
        plans_of(1, Space(("mnn",), ("int8",)))


def test_a_backend_that_is_not_installed_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgeseg.tune.space.find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"none of the backends is installed .*edgeseg\[openvino\]"):
        plans_of(1, Space(("openvino",)))


def test_sizes_are_those_of_the_models(tmp_path: Path) -> None:
    engine = labels_engine(tmp_path / "engine", (64, 96))
    model = PortableModel.read(portable_model(engine, tmp_path / "model.onnx"))
    assert chosen_sizes([model, model], []) == [0, 1]
    assert chosen_sizes([model], [(64, 96)]) == [0]
    with pytest.raises(UsageError, match=r"no model takes 32x48 .* takes 64x96.*export --size 32x48"):
        chosen_sizes([model], [(32, 48)])
