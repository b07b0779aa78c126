"""The matrix products that ship with edgeseg are what the tool makes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgeseg.engines.node_times import gemm_model
from tools.gemm_models import FOLDER, PRECISIONS, SIZES, gemm, write


def test_the_files_are_what_the_tool_makes(tmp_path: Path) -> None:
    write(tmp_path)
    names = sorted(path.name for path in FOLDER.glob("*.onnx"))
    assert names == sorted(path.name for path in tmp_path.glob("*.onnx"))
    for precision in PRECISIONS:
        for size in SIZES:
            made = (tmp_path / f"{precision}-{size}.onnx").read_bytes()
            assert gemm_model(precision, size) == made
            assert len(made) < 1000


@pytest.mark.parametrize(("precision", "tolerance"), [("fp32", 1e-6), ("fp16", 1e-2), ("int8", 0.1)])
def test_it_is_a_product_of_all_inputs(precision: str, tolerance: float) -> None:
    ort = pytest.importorskip("onnxruntime")
    session = ort.InferenceSession(gemm(precision, 16).SerializeToString())
    x = np.linspace(0.0, 1.0, 256).reshape(16, 16).astype(np.float16 if precision == "fp16" else np.float32)
    (found,) = session.run(None, {"x": x})
    weight = 3 * 0.01 if precision == "int8" else 0.5
    expected = np.repeat(x.astype(np.float64).sum(axis=1, keepdims=True) * weight, 16, axis=1)
    # int8: an output of at most 0.5 is rounded to steps of 10
    atol = 5.1 if precision == "int8" else tolerance * 8
    np.testing.assert_allclose(found, expected, atol=atol)
