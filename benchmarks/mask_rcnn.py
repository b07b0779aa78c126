"""Mask R-CNN R50-FPN from a 480x640 frame to pasted masks: our engine against torchvision's own ONNX export.

Both run the same weights in ONNX Runtime, threshold 0.5. torchvision's graph (TorchScript exporter) takes the
frame as float RGB, and resizes and pastes inside; ours takes the camera's uint8 BGR, and the runtime resizes
and pastes. Full (D, 480, 640) masks are made on both sides. Rounds are interleaved, and the ratio is the
median of the rounds' ratios.

    python -m benchmarks.mask_rcnn [--rounds N] [--sizes 320 800] [--detections 5 100]
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from torchvision.models.detection import MaskRCNN

from edgeseg.engines.building.build import build_engine
from edgeseg.engines.request import Request
from edgeseg.export.exporter import Settings, export_network
from edgeseg.frames.results import InstanceResult
from edgeseg.metrics.object_agreement import Instances, match
from edgeseg.models import zoo
from edgeseg.models.checkpoints.loading import load_weights
from edgeseg.proof.tolerances import Tolerances
from edgeseg.runtime import Segmenter
from edgeseg.scenes.pictures import picture
from tests.models.torchvision_weights import arranged

FRAME_HW = (480, 640)
THRESHOLD = 0.5
NAME = "maskrcnn_resnet50_fpn"
SAME_SCORE = 1e-3
ANY_DIFFERENCE = Tolerances(
    unmatched_share=2.0, borderline_share=2.0, score=1.0, box_px=np.inf, mask=1.0, mask_iou=0.0
)
"""Random weights score hundreds of boxes alike on pictures that they were not arranged for, and the hundred
that are kept change with the last digit. Agreement is checked here, on the frame they were arranged for."""
OPSET = 16  # the newest that the TorchScript exporter takes for this network
SETTLE_S = 0.3
THREADS = len(os.sched_getaffinity(0))

Frame = NDArray[np.uint8]


def main() -> None:
    """Print one row a case."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--sizes", type=int, nargs="+", default=[320, 800])
    parser.add_argument("--detections", type=int, nargs="+", default=[5, 100])
    arguments = parser.parse_args()
    print(
        f"{'short side':>10} {'found':>6} {'ours ms':>9} {'theirs ms':>10} {'theirs/ours':>12}  "
        "same detections"
    )
    for size in arguments.sizes:
        for detections in arguments.detections:
            with tempfile.TemporaryDirectory() as folder:
                compare(size, detections, arguments.rounds, Path(folder))


def compare(size: int, detections: int, rounds: int, folder: Path) -> None:
    """Make both sides from one set of weights, check that they agree, and time them in turn."""
    frame = picture(0, FRAME_HW)
    image = torch.from_numpy(np.ascontiguousarray(frame[..., ::-1])).permute(2, 0, 1) / 255
    model = arranged(NAME, image, detections=detections, score_threshold=THRESHOLD, min_size=size)
    theirs = torchvision_run(model, folder)
    with our_engine(model, size, folder) as segment:

        def ours(frame: Frame) -> InstanceResult:
            result = segment(frame)
            assert isinstance(result, InstanceResult)
            _ = result.masks
            return result

        agreed = agreement(segment, model, frame)
        ours(frame), theirs(frame)  # warm up
        times: list[tuple[float, float]] = [
            (milliseconds(ours, frame), milliseconds(theirs, frame)) for _ in range(rounds)
        ]
    ratio = statistics.median(their / our for our, their in times)
    our, their = (statistics.median(side) for side in zip(*times, strict=True))
    print(f"{size:10} {detections:6} {our:9.1f} {their:10.1f} {ratio:12.2f}  {agreed}", flush=True)


def our_engine(model: torch.nn.Module, size: int, folder: Path) -> Segmenter:
    """Export and build with the sizes that torchvision's resizing gives the frame."""
    network = zoo.create(NAME, num_classes=91)
    load_weights(network.module, model.state_dict())
    size_hw = (size, int(FRAME_HW[1] * size / FRAME_HW[0]))
    settings = Settings(NAME, size_hw, score_threshold=THRESHOLD, tolerances=ANY_DIFFERENCE)
    export_network(network, folder / "ours.onnx", settings)
    request = Request(threads=THREADS)
    build_engine(
        folder / "ours.onnx",
        folder / "engine",
        request=request,
        tolerances=ANY_DIFFERENCE,
    )
    return Segmenter.open(folder / "engine")


def torchvision_run(model: torch.nn.Module, folder: Path) -> Callable[[Frame], dict[str, Any]]:
    """Export by torchvision's documented way and open with ONNX Runtime's defaults."""
    path = folder / "theirs.onnx"
    names = ["boxes", "labels", "scores", "masks"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            model,
            ([torch.rand(3, *FRAME_HW)],),
            str(path),
            opset_version=OPSET,
            dynamo=False,
            input_names=["image"],
            output_names=names,
        )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = THREADS
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def run(frame: Frame) -> dict[str, Any]:
        image = np.ascontiguousarray(frame[..., ::-1].transpose(2, 0, 1), np.float32) / 255
        outputs = dict(zip(names, session.run(names, {"image": image}), strict=True))
        outputs["masks"] = outputs["masks"][:, 0] >= 0.5
        return outputs

    return run


def agreement(segment: Segmenter, model: MaskRCNN, frame: Frame) -> str:
    """Count torchvision's own detections that the engine finds too, both given the same resized pixels.

    Random weights turn the rounding of resized pixels into other detections, so the resizing is left out of
    this comparison. A detection is found if one of the same class overlaps it by IoU > 0.99 and has its score
    within SAME_SCORE.
    """
    prepared = segment.preprocess(frame)
    outputs = segment.infer(prepared)
    found = Instances(*(outputs[name][0] for name in ("boxes", "scores", "class_ids", "masks")))
    pixels = torch.from_numpy(prepared.image[0][..., ::-1].copy()).permute(2, 0, 1) / 255
    with torch.inference_mode():
        detections = {name: value.numpy() for name, value in model([pixels])[0].items()}
    expected = Instances(detections["boxes"], detections["scores"], detections["labels"], detections["masks"])
    pairs = match(expected, found)
    error = abs(expected.scores[pairs[:, 0]] - found.scores[pairs[:, 1]])
    return f"{int((error < SAME_SCORE).sum())} of {len(expected.scores)}, ours {len(found.scores)}"


def milliseconds(run: Callable[[Frame], object], frame: Frame) -> float:
    """Time one call, after the other side's threads have stopped waiting actively for more work."""
    time.sleep(SETTLE_S)
    start = time.perf_counter()
    run(frame)
    return 1000 * (time.perf_counter() - start)


if __name__ == "__main__":
    main()
