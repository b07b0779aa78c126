"""A manifest says of a session what its device left to others."""

from __future__ import annotations

from edgeseg.engines.onnxruntime.options import EngineOptions


def test_what_fell_back_to_the_processor_is_counted_by_operator() -> None:
    nodes = ("NonMaxSuppression nms_1", "TopK topk_1", "NonMaxSuppression nms_2")
    assert EngineOptions(left_over={"CPUExecutionProvider": nodes}).remarks("cuda") == [
        "3 nodes fell back to CPUExecutionProvider: NonMaxSuppression (2), TopK (1)"
    ]
    assert EngineOptions(left_over={}).remarks("cuda") == ["no node fell back to the CPU"]
    assert "not known" in EngineOptions().remarks("cuda")[0]
    assert EngineOptions().remarks("cpu") == []
