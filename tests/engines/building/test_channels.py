"""Networks of any channels and number types give in every backend that takes them what PyTorch gives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from edgeseg.engines.building.build import build_engine
from edgeseg.engines.preflight import refuse_unfit
from edgeseg.engines.request import Request
from edgeseg.errors import EngineError
from edgeseg.export import export
from edgeseg.graph.portable import PortableModel
from edgeseg.runtime import Segmenter
from edgeseg.spec import LARGEST_VALUE, InputType


@pytest.mark.parametrize(
    ("backend", "channels", "dtype"),
    [
        ("onnxruntime", 5, "uint16"),
        ("openvino", 1, "uint16"),
        ("mnn", 2, "float32"),
        ("ncnn", 4, "uint16"),
    ],
)
def test_other_channels_and_numbers_give_what_pytorch_gives(
    backend: str, channels: int, dtype: InputType, tmp_path: Path
) -> None:
    pytest.importorskip({"mnn": "MNN"}.get(backend, backend))
    torch.manual_seed(0)
    module = nn.Conv2d(channels, 3, 3, padding=1)
    white = LARGEST_VALUE[dtype]
    mean, std = np.linspace(0.2, 0.4, channels), np.linspace(0.05, 0.1, channels)
    export(
        module,
        tmp_path / "model.onnx",
        size_hw=(24, 32),
        channels=channels,
        channel_order="stored",
        input_dtype=dtype,
        mean_rgb=tuple(mean),
        std_rgb=tuple(std),
    )
    build_engine(tmp_path / "model.onnx", tmp_path / "engine", request=Request(backend, threads=1))
    normal = np.random.default_rng(0).normal(mean, std, (24, 32, channels)).clip(0, 1)
    frame = (normal * white).astype(dtype)
    with Segmenter.open(tmp_path / "engine") as segment:
        found = segment(frame).labels
    pixels = torch.from_numpy((frame.astype(np.float64) / white - mean) / std).float()
    with torch.inference_mode():
        expected = module(pixels.permute(2, 0, 1)[None])[0].argmax(dim=0).numpy()
    assert (found == expected).mean() > 0.999


@pytest.mark.parametrize("backend", ["mnn", "tensorrt"])
def test_a_backend_without_16_bits_says_what_to_export(backend: str, tmp_path: Path) -> None:
    module = nn.Conv2d(1, 2, 1)
    made = export(
        module,
        tmp_path / "model.onnx",
        size_hw=(16, 16),
        channels=1,
        input_dtype="uint16",
        mean_rgb=(0.3,),
        std_rgb=(0.1,),
    )
    with pytest.raises(EngineError, match="numbers of 16 bits; export with --input-dtype float32"):
        refuse_unfit(PortableModel.read(made.path).model, backend)
