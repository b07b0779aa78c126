"""A request is checked against what backends say of themselves, before any library is asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgeseg.engines.openvino.options import BuildOptions
from edgeseg.engines.packed import PackedRequest
from edgeseg.engines.registry import backends, cpu_backends, extra_of
from edgeseg.engines.request import Request
from edgeseg.errors import EngineError, UsageError


def test_backends_are_the_folders() -> None:
    assert backends() == ("mnn", "ncnn", "onnxruntime", "openvino", "tensorrt", "tensorrt_rtx", "web")
    assert cpu_backends() == ("onnxruntime", "mnn", "ncnn", "openvino")
    assert (extra_of("tensorrt_rtx"), extra_of("torch")) == ("tensorrt-rtx", None)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"backend": "abacus"}, "there is no backend 'abacus'; there are mnn, ncnn, onnxruntime, openvino, "),
        ({"backend": "openvino", "device": "cuda"}, "OpenVINO has no device 'cuda'; it has cpu, gpu"),
        ({"precision": "fp8"}, "onnxruntime does not compute in 'fp8'"),
        ({"options": {"hint": "latency"}}, "ONNX Runtime has no --hint; --hint is for openvino"),
        ({"options": {"hue": 3}}, "no backend has an option 'hue'"),
        ({"backend": "auto", "options": {"dla_core": 0}}, "auto compares .*; --dla-core is for tensorrt"),
        ({"backend": "openvino", "options": {"hint": "luck"}}, "hint must be one of 'latency', 'throughput'"),
        ({"backend": "tensorrt", "options": {"timing_cache": "text"}}, "timing_cache must be Path"),
    ],
)
def test_what_no_backend_can_meet_is_refused_by_name(asked: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Request(**asked)


def test_auto_hands_each_backend_the_options_that_it_has() -> None:
    request = Request("auto", options={"hint": "throughput"})
    assert request.of("openvino").options_as(BuildOptions) == BuildOptions("throughput")
    assert request.of("onnxruntime").options == {}


def test_the_form_of_int8_is_the_devices_own() -> None:
    assert Request("onnxruntime", "int8").int8_scheme == "unsigned_io"
    assert Request("onnxruntime", "int8", "tensorrt").int8_scheme == "symmetric"
    assert Request("openvino", "int8").int8_scheme == "unsigned"
    assert Request("auto", "int8").int8_scheme == "unsigned_io"
    with pytest.raises(EngineError, match="float32 on cuda; use --device tensorrt"):
        _ = Request("onnxruntime", "int8", "cuda").int8_scheme


def test_a_device_may_put_its_own_wishes_over_those_of_a_package() -> None:
    packed = PackedRequest("openvino", "fp16", options={"hint": "throughput", "computes_in": "f32"})
    same = packed.but(PackedRequest(options={"computes_in": "bf16"}))
    assert same.request() == Request(
        "openvino", "fp16", options={"hint": "throughput", "computes_in": "bf16"}
    )
    other = packed.but(PackedRequest("onnxruntime"))
    assert other.request(2) == Request("onnxruntime", "fp16", threads=2)


def test_files_among_the_options_travel_as_attachments(tmp_path: Path) -> None:
    cache = tmp_path / "mine"
    asked = PackedRequest("tensorrt", options={"timing_cache": cache, "contexts": 2})
    packed, files = asked.detached()
    assert packed == PackedRequest("tensorrt", options={"contexts": 2})
    assert files == {"timing.cache": cache}
    assert packed.attached({"timing.cache"}, tmp_path).options["timing_cache"] == tmp_path / "timing.cache"
    assert asked.attached({"timing.cache"}, tmp_path).options["timing_cache"] == cache
    assert "timing_cache" not in packed.attached({"model.onnx"}, tmp_path).options
