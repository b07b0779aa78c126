"""The texts of configurations, by Triton's own schema."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

pytest.importorskip("google.protobuf")
pytest.importorskip("tritonclient.grpc")

from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from edgeseg.serving.triton.config import front_config, is_signed, network_config, signed
from edgeseg.spec import Precision
from tests.runtime.specs import instances_spec, labels_spec, logits_spec


def parsed(text: str) -> Any:
    return text_format.Parse(text, model_config_pb2.ModelConfig())


def network(device: str | None = None, precision: Precision = "fp32", **settings: Any) -> Any:
    how = {"spec": logits_spec(), "threads": None, "warmups": []} | settings
    return parsed(network_config("n", precision=precision, device=device, **how))


def accelerators(config: Any) -> list[tuple[str, dict[str, str]]]:
    """List what is asked of the network's GPU or processor, with the options."""
    those = config.optimization.execution_accelerators
    found = (*those.gpu_execution_accelerator, *those.cpu_execution_accelerator)
    return [(one.name, dict(one.parameters)) for one in found]


def test_a_device_decides_where_the_network_runs() -> None:
    assert not network().instance_group
    assert not network().parameters
    kinds = dict.fromkeys(("cpu", "openvino"), "KIND_CPU")
    kinds |= dict.fromkeys(("cuda", "tensorrt"), "KIND_GPU")
    for device, kind in kinds.items():
        (group,) = network(device).instance_group
        assert group.kind == model_config_pb2.ModelInstanceGroup.Kind.Value(kind)
    assert network("cpu", threads=4).parameters["intra_op_thread_count"].string_value == "4"
    assert accelerators(network("cpu")) == []
    assert accelerators(network("openvino")) == [("openvino", {})]


def test_a_gpu_computes_as_precisely_as_an_engine_there() -> None:
    """Neither TF32 where float32 is asked for, nor float32 where TensorRT is to compute in less."""
    no_tf32 = ("cuda", {"use_tf32": "0"})
    assert accelerators(network()) == accelerators(network("cuda")) == [no_tf32]
    assert accelerators(network("cuda", "fp16")) == []
    half_in_float = dataclasses.replace(
        logits_spec(), graph=dataclasses.replace(logits_spec().graph, float32_modules=("head",))
    )
    assert accelerators(network("cuda", "fp16", spec=half_in_float)) == [no_tf32]
    assert accelerators(network("tensorrt")) == [("tensorrt", {"precision_mode": "FP32"}), no_tf32]
    assert accelerators(network("tensorrt", "fp16")) == [("tensorrt", {"precision_mode": "FP16"})]
    assert accelerators(network("tensorrt", "int8")) == [("tensorrt", {"precision_mode": "INT8"})]


def test_int8_stays_on_the_processor_that_it_was_made_for() -> None:
    config = network(None, "int8")
    assert config.instance_group[0].kind == model_config_pb2.ModelInstanceGroup.KIND_CPU
    assert accelerators(config) == []


def test_a_configuration_that_was_changed_is_known() -> None:
    text = signed("name: 1\n")
    assert is_signed(text)
    assert not is_signed(text + "# a word")
    assert not is_signed("name: 1\n")
    assert parsed(signed('name: "n"\n')).name == "n"


def test_a_network_of_other_pixels_takes_frames_alone() -> None:
    spec = labels_spec(channel_order="stored", dtype="uint16")
    front = parsed(front_config("front", "network", spec))
    (frame,) = front.input
    assert (frame.name, list(frame.dims), frame.data_type) == (
        "frame",
        [-1, -1, 3],
        model_config_pb2.TYPE_UINT16,
    )
    assert not frame.optional


def test_frames_of_several_sizes_may_share_a_batch() -> None:
    front = parsed(front_config("front", "network", labels_spec(batch=4)))
    assert front.max_batch_size == 4
    assert front.dynamic_batching.max_queue_delay_microseconds > 0
    assert front.input[0].allow_ragged_batch


def test_objects_come_with_masks_in_two_forms() -> None:
    front = parsed(front_config("front", "network", instances_spec()))
    found = {one.name: (one.data_type, list(one.dims)) for one in front.output}
    assert found["boxes"] == (model_config_pb2.TYPE_FP32, [-1, 4])
    assert found["masks"] == (model_config_pb2.TYPE_BOOL, [-1, -1, -1])
    assert found["masks_rle"] == (model_config_pb2.TYPE_STRING, [-1])
