"""Draw frames, and keep what is found in them, as files that a program in any language is held against.

The first frame has the size of the input, the second another size and shape, so that resizing, padding and
the way back show. What is found is what the portable model computes in ONNX Runtime on the machine that
packs it.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeseg.frames.instance import objects_in
from edgeseg.frames.preprocess import Preprocessor
from edgeseg.frames.results import InstanceResult, SemanticResult
from edgeseg.frames.semantic import semantic_result
from edgeseg.graph.golden.frames import GoldenFrame
from edgeseg.graph.portable import PortableModel
from edgeseg.graph.running import Run, open_run, run_all
from edgeseg.limits import current
from edgeseg.opencv import cv2
from edgeseg.proof.frames import drawn
from edgeseg.scenes.inputs import input_image
from edgeseg.spec import ModelSpec

TALLER, WIDER = 3 / 2, 5 / 4  # of the input's sides: those of the second frame


def golden_files(model: PortableModel, seeds: Sequence[int]) -> dict[str, bytes]:
    """Give the files of all frames, by their names: `golden-0.png`, `golden-0.labels.png` and so on.

    A frame that is no camera's is `golden-0.npy`. Beside it stand its labels, `golden-0.labels.png`, (H, W)
    of a byte a pixel; of classes that overlap the pixels of each, `golden-0.segments.json`, as
    `SemanticResult.to_segments` gives them; or its objects, `golden-0.objects.json`, as
    `InstanceResult.to_coco` gives them.

    Args:
        seeds: of the frames, the first and the last: those that the model was proven by tell something.
    """
    spec = model.spec
    frames = [input_image(seeds[0], spec.input, spec.graph)]
    size_hw = round(spec.input.height * TALLER), round(spec.input.width * WIDER)
    if size_hw[0] * size_hw[1] <= current().pixels:
        frames.append(drawn(GoldenFrame(seeds[-1], size_hw, {}), spec))
    run = open_run(model.to_bytes())
    return {
        f"golden-{index}{suffix}": data
        for index, frame in enumerate(frames)
        for suffix, data in {**_picture(frame, spec), **_found(_result(frame, run, spec))}.items()
    }


def _result(frame: NDArray[Any], run: Run, spec: ModelSpec) -> SemanticResult | InstanceResult:
    image, placement = Preprocessor(spec.input)(frame)
    (found,) = run_all(run, image, spec.input.batch)
    outputs: Mapping[str, NDArray[Any]] = {name: array[None] for name, array in found.items()}
    if spec.task == "instance":
        return objects_in(outputs, 0, placement, spec.thresholds)
    return semantic_result(outputs, placement, head=spec.head)


def _picture(frame: NDArray[Any], spec: ModelSpec) -> dict[str, bytes]:
    if spec.input.takes_camera_frames:
        return {".png": _png(frame)}
    buffer = io.BytesIO()
    np.save(buffer, frame)
    return {".npy": buffer.getvalue()}


def _found(result: SemanticResult | InstanceResult) -> dict[str, bytes]:
    if isinstance(result, InstanceResult):
        return {".objects.json": _json(result.to_coco())}
    segments = {} if result.masks is None else {".segments.json": _json(result.to_segments())}
    return {".labels.png": _png(result.labels), **segments}


def _png(pixels: NDArray[np.uint8]) -> bytes:
    return cv2.imencode(".png", pixels, [cv2.IMWRITE_PNG_COMPRESSION, 9])[1].tobytes()


def _json(values: Any) -> bytes:
    return (json.dumps(values, indent=1) + "\n").encode()
