"""What a library reads is held against the numbers of its target, from both sides."""

from __future__ import annotations

import onnx

from tools.targets.libraries import Library
from tools.targets.versions import version_faults


def reading(opset: int, ir_version: int) -> Library:
    """Make a library that reads files up to these numbers."""

    def opened(serialized: bytes) -> None:
        model = onnx.load_model_from_string(serialized)
        if model.opset_import[0].version > opset or model.ir_version > ir_version:
            raise ValueError("too new")

    return Library("Toy", "numpy", "toy.json", "asked", opened)


def test_the_numbers_of_the_table_are_the_highest_that_are_read() -> None:
    assert list(version_faults("onnxruntime", reading(21, 10))) == []
    assert list(version_faults("onnxruntime", reading(22, 11))) == [
        "  ort-1.20: opset 22 is read",
        "  ort-1.20: IR version 11 is read",
    ]
    assert list(version_faults("onnxruntime", reading(20, 9))) == [
        "  ort-1.20: opset 21 is refused",
        "  ort-1.20: IR version 10 is refused",
    ]


def test_a_library_without_numbers_reads_all() -> None:
    assert list(version_faults("openvino", reading(99, 99))) == []
    assert list(version_faults("mnn", reading(21, 10))) == [
        "  mnn-3: opset 30 is refused",
        "  mnn-3: IR version 16 is refused",
    ]
