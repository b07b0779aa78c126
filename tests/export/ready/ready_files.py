"""Write small networks as the files that people have them in."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import Any

import onnx
import torch
from torch import Tensor, nn

SIZE_HW = (32, 48)
CLASSES = 3


class TwoOutputs(nn.Module):
    """Logits at half the size, and others of the image's size."""

    def __init__(self) -> None:
        super().__init__()
        self.down = tiny()
        self.aux = nn.Conv2d(3, CLASSES, 1)

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """Give both by name."""
        return {"scores": self.down(image), "aux": self.aux(image)}


class ChannelsLast(nn.Module):
    """A network as TensorFlow's converters write it: image and maps have their channels last."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, image: Tensor) -> Tensor:
        """Turn (N, H, W, 3) into (N, h, w, C)."""
        scores: Tensor = self.body(image.permute(0, 3, 1, 2))
        return scores.permute(0, 2, 3, 1)


def tiny(channels: int = 3) -> nn.Module:
    """Give a network whose normalisation has statistics of its own."""
    norm = nn.BatchNorm2d(6)
    norm.running_mean = torch.randn(6)
    norm.running_var = torch.rand(6) + 0.5
    return nn.Sequential(
        nn.Conv2d(channels, 6, 3, stride=2, padding=1), norm, nn.ReLU(), nn.Conv2d(6, CLASSES, 1)
    ).eval()


def write_onnx(
    module: nn.Module,
    path: Path,
    *,
    opset: int = 18,
    channels: int = 3,
    batched: bool = True,
    image: Any = None,
    **said: Any,
) -> Path:
    """Export by PyTorch's exporter of TorchScript, as most files that people have."""
    said = {"input_names": ["pixels"], "output_names": ["scores"], **said}
    if image is None:
        image = torch.zeros(*((1,) if batched else ()), channels, *SIZE_HW)
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that this exporter is deprecated
        torch.onnx.export(module, (image,), buffer, dynamo=False, opset_version=opset, **said)
    path.write_bytes(buffer.getvalue())
    return path


def write_torchscript(module: nn.Module, path: Path) -> Path:
    """Trace and save."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that TorchScript is deprecated
        torch.jit.save(torch.jit.trace(module, torch.zeros(1, 3, *SIZE_HW), strict=False), str(path))
    return path


def write_program(module: nn.Module, path: Path) -> Path:
    """Export and save."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.export.save(torch.export.export(module, (torch.zeros(1, 3, *SIZE_HW),)), path)
    return path


def with_weights_as_inputs(path: Path) -> Path:
    """Give every weight of a graph an input of its name, whose default it is, as exporters once did."""
    model = onnx.load(path)
    for tensor in model.graph.initializer:
        model.graph.input.append(
            onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
        )
    onnx.save(model, path)
    return path


def with_bytes(path: Path) -> Path:
    """Let a graph take bytes, channels last, and normalise them itself."""
    model = onnx.load(path)
    image = model.graph.input[0]
    old, height, width = image.name, *SIZE_HW
    constants = [
        onnx.helper.make_tensor(name, onnx.TensorProto.FLOAT, [1, 1, 1, 3], values)
        for name, values in (("mean", [103.53, 116.28, 123.675]), ("std", [57.375, 57.12, 58.395]))
    ]
    nodes = [
        onnx.helper.make_node("Cast", ["bytes"], ["floats"], to=onnx.TensorProto.FLOAT),
        onnx.helper.make_node("Sub", ["floats", "mean"], ["centred"]),
        onnx.helper.make_node("Div", ["centred", "std"], ["normalised"]),
        onnx.helper.make_node("Transpose", ["normalised"], [old], perm=[0, 3, 1, 2]),
    ]
    kept = list(model.graph.node)
    del model.graph.node[:], model.graph.input[:]
    model.graph.node.extend([*nodes, *kept])
    model.graph.initializer.extend(constants)
    shape = [1, height, width, 3]
    model.graph.input.append(onnx.helper.make_tensor_value_info("bytes", onnx.TensorProto.UINT8, shape))
    onnx.save(model, path)
    return path
