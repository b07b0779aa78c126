"""Run one network by one library, from frame to result; libraries are imported when they are opened."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import numpy as np

from benchmarks.peers.by_hand import Frame, Result, detected, labelled, normalised, scaled
from benchmarks.peers.case import Case

NOT_TOLD = ("model_file", "outputs")  # options that say where things are, not how they are computed
DETECTOR_OUTPUTS = ["boxes", "labels", "scores", "masks"]


class Contender(Protocol):
    """A library with one network opened in it.

    Attributes:
        note: what is to be said of it.
        infer_ms: of the last run, the network alone; None where that is not taken.
    """

    note: str
    infer_ms: float | None

    def run(self, frame: Frame) -> Result:
        """Turn (H, W, 3) BGR into `labels` (H, W), or `boxes`, `scores`, `class_ids`, `masks` (D, H, W)."""
        ...


class _ByHand:
    """What is the same whatever library a user calls by hand."""

    infer_ms: float | None = None

    def __init__(self, case: Case) -> None:
        self.case = case
        self.note = ""

    def run(self, frame: Frame) -> Result:
        """Prepare, infer, finish."""
        case = self.case
        if case.is_detector:
            return detected(dict(zip(DETECTOR_OUTPUTS, self.infer(scaled(frame)), strict=True)))
        image = normalised(frame, case.size_hw, case.mean_rgb, case.std_rgb)
        return labelled(self.infer(image)[0][0], frame.shape[:2])

    def infer(self, image: Any) -> list[Any]:
        """Run the network."""
        raise NotImplementedError


class OnnxRuntime(_ByHand):
    """The plain export in ONNX Runtime by its default options."""

    def __init__(self, case: Case, threads: int) -> None:
        super().__init__(case)
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        path, providers = str(case.folder / "plain.onnx"), ["CPUExecutionProvider"]
        self.session = onnxruntime.InferenceSession(path, options, providers=providers)

    def infer(self, image: Any) -> list[Any]:
        """Run the session."""
        names = DETECTOR_OUTPUTS if self.case.is_detector else None
        outputs: list[Any] = self.session.run(names, {"image": image})
        return outputs


class OpenVino(_ByHand):
    """The plain export in OpenVINO, for latency, in float32."""

    def __init__(self, case: Case, threads: int) -> None:
        super().__init__(case)
        import openvino

        core = openvino.Core()
        model = core.read_model(case.folder / "plain.onnx")
        self.model = core.compile_model(model, "CPU", _openvino_options(threads))
        self.names = DETECTOR_OUTPUTS if case.is_detector else ["logits"]

    def infer(self, image: Any) -> list[Any]:
        """Run the compiled model."""
        outputs = self.model(image)
        return [outputs[name] for name in self.names]


class ModelApi:
    """openvino-model-api's own class, given the plain export and what the network expects of pixels."""

    infer_ms: float | None = None

    def __init__(self, case: Case, threads: int) -> None:
        self.case = case
        self.note = ""
        from model_api.adapters import OpenvinoAdapter, create_core  # type: ignore[import-not-found]
        from model_api.models import MaskRCNNModel, SegmentationModel  # type: ignore[import-not-found]

        path, options = str(case.folder / "plain.onnx"), _openvino_options(threads)
        adapter = OpenvinoAdapter(create_core(), path, device="CPU", plugin_config=options)
        pixels = {
            "mean_values": [255 * value for value in case.mean_rgb],
            "scale_values": [255 * value for value in case.std_rgb],
            "reverse_input_channels": True,
        }
        kind = MaskRCNNModel if case.is_detector else SegmentationModel
        extra = {} if case.is_detector else {"return_soft_prediction": False, "blur_strength": -1}
        self.model = kind(adapter, {**pixels, **extra}, preload=True)

    def run(self, frame: Frame) -> Result:
        """Call the model; it enlarges labels, not logits."""
        result = self.model(frame)
        if not self.case.is_detector:
            return {"labels": np.asarray(result).astype(np.uint8)}
        return {
            "boxes": result.bboxes,
            "scores": result.scores,
            "class_ids": result.labels,
            "masks": np.stack(result.masks),
        }


class Ncnn(_ByHand):
    """The plain export converted by pnnx, in ncnn, in float32."""

    def __init__(self, case: Case, threads: int) -> None:
        super().__init__(case)
        parameters, weights = case.converted("plain.ncnn.param"), case.folder / "plain.ncnn.bin"
        import ncnn

        self.ncnn = ncnn
        self.net = ncnn.Net()
        options = self.net.opt
        options.num_threads = threads
        for name in ("packed", "storage", "arithmetic"):
            setattr(options, f"use_fp16_{name}", False)
        options.use_bf16_storage = False
        if self.net.load_param(parameters) or self.net.load_model(str(weights)):
            raise RuntimeError("ncnn does not load what pnnx made")

    def infer(self, image: Any) -> list[Any]:
        """Run an extractor."""
        with self.net.create_extractor() as extractor:
            extractor.input("in0", self.ncnn.Mat(image[0] if image.ndim == 4 else image).clone())
            count = len(DETECTOR_OUTPUTS) if self.case.is_detector else 1
            outputs = []
            for i in range(count):
                failed, output = extractor.extract(f"out{i}")
                if failed:
                    raise RuntimeError(f"ncnn cannot compute output {i}")
                outputs.append(np.array(output)[None])
            return outputs


class Mnn(_ByHand):
    """The plain export converted by mnnconvert, in MNN, in float32."""

    def __init__(self, case: Case, threads: int) -> None:
        super().__init__(case)
        path = case.converted("plain.mnn")
        import MNN.expr
        import MNN.nn

        self.expr = MNN.expr
        names = DETECTOR_OUTPUTS if case.is_detector else ["logits"]
        options = {"backend": "CPU", "precision": "high", "numThread": threads}
        manager = MNN.nn.create_runtime_manager((options,))
        self.module = MNN.nn.load_module_from_file(path, ["image"], names, runtime_manager=manager)

    def infer(self, image: Any) -> list[Any]:
        """Run the module."""
        given = self.expr.placeholder(list(image.shape), self.expr.NCHW, self.expr.float)
        given.write(image)
        outputs = self.module.forward([given])
        return [np.array(self.expr.convert(one, self.expr.NCHW).read()) for one in outputs]


class OpenCv(_ByHand):
    """The plain export in OpenCV's own module for networks, in float32."""

    def __init__(self, case: Case, threads: int) -> None:
        super().__init__(case)
        import cv2

        cv2.setNumThreads(threads)
        self.net = cv2.dnn.readNetFromONNX(str(case.folder / "plain.onnx"))
        self.names = DETECTOR_OUTPUTS if case.is_detector else ["logits"]

    def infer(self, image: Any) -> list[Any]:
        """Set the input, and go forward to the outputs."""
        self.net.setInput(image, "image")
        return list(self.net.forward(self.names))


class TorchEager:
    """torchvision's own module, or ours, in PyTorch, in the memory format that is faster here."""

    infer_ms: float | None = None

    def __init__(self, case: Case, threads: int, *, compiled: bool = False) -> None:
        import time

        import torch

        from benchmarks.peers import networks
        from benchmarks.peers.rows import ROWS

        torch.set_num_threads(threads)
        self.case, self.torch = case, torch
        self.module: Any = networks.plain(ROWS[case.row], case.folder / "weights.pt")
        self.format = torch.contiguous_format
        frame = case.frame()
        if compiled:
            self.module = torch.compile(self.module)
            self.run(frame)
        times = {}
        for name in () if compiled else ("contiguous_format", "channels_last"):
            self._use(getattr(torch, name))
            self.run(frame)
            start = time.perf_counter()
            self.run(frame)
            times[name] = time.perf_counter() - start
        best = min(times, key=times.__getitem__, default="contiguous_format")
        self._use(getattr(torch, best))
        self.note = best

    def _use(self, memory_format: Any) -> None:
        self.format = memory_format
        self.module = self.module.to(memory_format=memory_format)

    def run(self, frame: Frame) -> Result:
        """Run the module, and upsample and take the best class in PyTorch, too."""
        torch, case = self.torch, self.case
        with torch.inference_mode():
            if case.is_detector:
                found = self.module([torch.from_numpy(scaled(frame))])[0]
                return detected({name: value.numpy() for name, value in found.items()})
            image = torch.from_numpy(normalised(frame, case.size_hw, case.mean_rgb, case.std_rgb))
            logits = self.module(image.to(memory_format=self.format))
            if logits.shape[2:] != frame.shape[:2]:
                logits = torch.nn.functional.interpolate(logits, size=frame.shape[:2], mode="bilinear")
            return {"labels": logits[0].argmax(0).to(torch.uint8).numpy()}


class TorchCompiled(TorchEager):
    """The same after `torch.compile`."""

    def __init__(self, case: Case, threads: int) -> None:
        super().__init__(case, threads, compiled=True)


class Ours:
    """An engine of ours, as `Segmenter` runs it."""

    def __init__(self, engine: Path) -> None:
        from edgeseg.frames.results import SemanticResult
        from edgeseg.runtime import Segmenter

        self.segmenter, self.semantic = Segmenter.open(engine), SemanticResult
        self.infer_ms: float | None = None
        manifest = self.segmenter.manifest
        told = ", ".join(f"{k} {v}" for k, v in manifest.options.items() if k not in NOT_TOLD)
        passes = "".join(f"; {title} x {len(one.places)}" for title, one in manifest.passes.items())
        self.note = f"{manifest.backend} {manifest.backend_version}: {told}{passes}"

    def run(self, frame: Frame) -> Result:
        """Segment; masks are made in full, as the peers make them."""
        from edgeseg.runtime.profiling.timing import StageTimes
        from edgeseg.runtime.steps import segment

        times = StageTimes()
        result = segment(self.segmenter, frame, times)
        self.infer_ms = times.summaries()["infer"].p50
        if isinstance(result, self.semantic):
            return {"labels": result.labels}
        return {
            "boxes": result.boxes,
            "scores": result.scores,
            "class_ids": result.class_ids,
            "masks": result.masks,
        }


PEERS = {
    "torch": TorchEager,
    "torch.compile": TorchCompiled,
    "onnxruntime": OnnxRuntime,
    "openvino": OpenVino,
    "model_api": ModelApi,
    "ncnn": Ncnn,
    "mnn": Mnn,
    "opencv": OpenCv,
}


def _openvino_options(threads: int) -> dict[str, Any]:
    return {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "f32",
        "INFERENCE_NUM_THREADS": threads,
    }
