"""ONNX Runtime's profile says where the time goes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edgeseg.engines.onnxruntime.layers import gemm_gflops, node_times
from edgeseg.errors import EngineError
from edgeseg.nodes.table import GraphNode, NodeTable
from tests.engines.profiled_engines import check_times, check_unet, times_of
from tests.export import small_networks
from tests.exported_models import ExportedModels

pytest.importorskip("onnxruntime")

CONV = GraphNode("node_Conv_1", "Conv", "stem.conv", ("x",), ("c",), None, None, 99, (8, 3, 3, 3))
RELU = GraphNode("node_relu", "Relu", "stem.relu", ("c",), ("relu",), 0, 10, 0)
TABLE = NodeTable((CONV, RELU))


def whole(start: int, duration: int) -> dict[str, Any]:
    return {"cat": "Session", "name": "model_run", "ts": start, "dur": duration, "tid": 1}


def kernel(name: str, operator: str, start: int, duration: int, index: int = 0) -> dict[str, Any]:
    shape = [{"float": [1, 8, 4, 4]}]
    arguments = {
        **{"op_name": operator, "node_index": str(index), "parameter_size": "7"},
        **{"activation_size": "100", "output_size": "50"},
        **{"input_type_shape": shape, "output_type_shape": shape},
    }
    return {
        **{"cat": "Node", "name": f"{name}_kernel_time", "ts": start, "dur": duration, "tid": 1},
        "args": arguments,
    }


def test_a_node_has_the_median_of_its_runs_without_the_warm_up() -> None:
    durations = [9000, 10, 30, 20]
    events = [event for i, us in enumerate(durations) for event in _run(i, us)]
    (node,), run_ms = node_times(events, TABLE, warmup=1)
    assert node.time_ms == pytest.approx(0.020)
    assert run_ms == pytest.approx(0.025)


def _run(index: int, duration: int) -> list[dict[str, Any]]:
    start = 100_000 * index
    return [whole(start, duration + 5), kernel("relu_nchwc", "Conv", start + 1, duration)]


def test_a_fused_node_is_of_the_convolution_and_its_laid_out_weights_are_known() -> None:
    (node,), _ = node_times(_run(0, 10), TABLE, warmup=0)
    assert (node.module, node.precision) == ("stem.conv", "fp32")
    assert node.flop == 2 * (8 * 4 * 4) * (3 * 9)
    assert node.moved_bytes == 100 + 50 + 99


@pytest.mark.parametrize(
    "name", ["fused node_Conv_1", "node_Conv_1_nchwc", "c_quant", "c_q", "c.fp16_token_7"]
)
def test_names_are_recognised_as_the_optimiser_leaves_them(name: str) -> None:
    (node,), _ = node_times([whole(0, 10), kernel(name, "Conv", 1, 5)], TABLE, warmup=0)
    assert node.module == "stem.conv"


def test_a_name_is_looked_up_as_soon_as_the_graph_has_it() -> None:
    half = GraphNode("node_half", "Conv", "stem.half", ("x",), ("h.fp16",), 1000, 10, 5)
    events = [whole(0, 10), kernel("InsertedPrecisionFreeCast_h.fp16_nchwc", "Conv", 1, 5)]
    (node,), _ = node_times(events, NodeTable((*TABLE.nodes, half)), warmup=0)
    assert (node.module, node.flop) == ("stem.half", 1000)


def test_work_is_unknown_where_the_graph_does_not_know_the_weights() -> None:
    # in the place of weights that were laid out anew stands what follows them
    other = kernel("other", "QLinearConv", 1, 5)
    scales = [{"float": []}, {"float": [8]}]
    other["args"]["input_type_shape"] = [{"uint8": [1, 3, 4, 4]}, *scales]
    other["args"]["output_type_shape"] = [{"uint8": [1, 8, 4, 4]}]
    (node,), _ = node_times([whole(0, 10), other], TABLE, warmup=0)
    assert (node.module, node.flop, node.precision) == (None, None, "int8")


def test_what_concatenates_8_bits_is_in_int8_though_a_scale_comes_first() -> None:
    concat = kernel("node_cat", "QLinearConcat", 1, 5)
    concat["args"]["input_type_shape"] = [{"float": []}, {"uint8": []}, {"uint8": [1, 4, 4, 4]}]
    concat["args"]["output_type_shape"] = [{"uint8": [1, 8, 4, 4]}]
    (node,), _ = node_times([whole(0, 10), concat], TABLE, warmup=0)
    assert (node.precision, node.flop) == ("int8", 0)


def test_what_the_library_puts_in_has_no_module_and_no_arithmetic() -> None:
    (node,), _ = node_times([whole(0, 10), kernel("ReorderInput", "ReorderInput", 1, 5)], TABLE, warmup=0)
    assert (node.module, node.flop) == (None, 0)
    assert node.moved_bytes == 100 + 50 + 7


def test_a_cast_beside_a_convolution_does_not_take_its_arithmetic() -> None:
    events = [whole(0, 10), kernel("InsertedPrecisionFreeCast_c", "Cast", 1, 5)]
    (node,), _ = node_times(events, TABLE, warmup=0)
    assert node.flop == 0


def test_a_loop_has_its_time_without_that_of_its_body() -> None:
    events = [
        *[whole(0, 200), kernel("loop", "Loop", 0, 100)],
        *[
            kernel("inner", "Add", 10, 30, 1),
            kernel("inner", "Add", 50, 30, 1),
            kernel("last", "Mul", 110, 20),
        ],
    ]
    nodes, _ = node_times(events, TABLE, warmup=0)
    assert {node.name: node.time_ms for node in nodes} == pytest.approx(
        {"loop": 0.040, "inner": 0.060, "last": 0.020}
    )


def test_a_profile_without_an_inference_is_refused() -> None:
    with pytest.raises(EngineError, match="tells of no inference"):
        node_times([kernel("relu", "Relu", 0, 5)], TABLE)


def test_the_layers_of_a_unet_have_their_modules_and_arithmetic(
    exported: ExportedModels, tmp_path: Path
) -> None:
    model = exported(small_networks.unet, output_kind="labels").path
    check_unet(times_of(model, tmp_path / "engine", "onnxruntime"), {"Conv", "FusedConv"})


def test_all_that_a_mask_rcnn_asks_for_has_a_module(exported: ExportedModels, tmp_path: Path) -> None:
    times = times_of(exported(small_networks.mask_rcnn, lowering="onnx").path, tmp_path / "e", "onnxruntime")
    check_times(times)
    own = [node for node in times.nodes if not node.operator.startswith("Reorder")]
    assert sorted({node.name for node in own if node.module is None}) == []
    assert all(node.flop is not None for node in own)
    masks = [node for node in own if (node.module or "").startswith("roi_heads.mask")]
    assert sum(node.flop or 0 for node in masks) > 0  # though the number of objects depends on the data


def test_a_product_is_timed_in_the_precisions_that_there_are() -> None:
    assert (gemm_gflops("fp32", device="cpu", threads=1) or 0) > 0
    assert gemm_gflops("bf16", device="cpu", threads=1) is None
    assert gemm_gflops("fp32", device="cuda", threads=1) is None
