"""The texts of configurations, by Triton's own schema."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("google.protobuf")
pytest.importorskip("tritonclient.grpc")

from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from edgeseg.serving.triton.config import front_config, network_config
from tests.runtime.specs import instances_spec, labels_spec, logits_spec


def parsed(text: str) -> Any:
    return text_format.Parse(text, model_config_pb2.ModelConfig())


def test_a_device_decides_where_the_network_runs() -> None:
    def network(device: str | None, threads: int | None = None) -> Any:
        return parsed(network_config("n", logits_spec(), device=device, threads=threads, warmups=[]))

    left = network(None)
    assert not left.instance_group
    assert not left.parameters
    on_cpu = network("cpu", 4)
    assert on_cpu.instance_group[0].kind == model_config_pb2.ModelInstanceGroup.KIND_CPU
    assert on_cpu.parameters["intra_op_thread_count"].string_value == "4"
    by_tensorrt = network("tensorrt")
    assert by_tensorrt.instance_group[0].kind == model_config_pb2.ModelInstanceGroup.KIND_GPU
    (accelerator,) = by_tensorrt.optimization.execution_accelerators.gpu_execution_accelerator
    assert accelerator.name == "tensorrt"


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
