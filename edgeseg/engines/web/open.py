"""Open a page as an engine: headless Chromium runs the page's own code, on frames and on inputs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgeseg.engines.backend import Tensor, read_options
from edgeseg.engines.pool import FORKED, Pool
from edgeseg.engines.web.facts import FACTS
from edgeseg.engines.web.options import EngineOptions
from edgeseg.engines.web.page import Page
from edgeseg.errors import EngineError, UsageError
from edgeseg.forks import never_free, tell_of_forks
from edgeseg.frames.preprocess import check_frame
from edgeseg.frames.results import FrameResult, InstanceResult, MaskCrop, SemanticResult
from edgeseg.manifest import MANIFEST_NAME, Manifest, read_file
from edgeseg.opencv import cv2
from edgeseg.records import to_json_value
from edgeseg.spec import ModelSpec

Provider = Literal["auto", "wasm", "webgpu"]
WASM: Provider = "wasm"


class WebBackend:
    """A page in a browser; see `Backend` for what each member promises. One thread computes at a time."""

    built_on: Mapping[str, str]

    def __init__(self, page: Page, spec: ModelSpec) -> None:
        taken = spec.input
        self.built_on = {}  # a page runs in any browser
        self.inputs = {"image": Tensor(taken.dtype, (taken.batch, taken.height, taken.width, taken.channels))}
        self.outputs = {one.name: Tensor(one.dtype, one.shape) for one in spec.outputs}
        self._spec = spec
        self._page = page
        self._pages: Pool[Page] = Pool(Page.close)
        self._pages.add(page)
        self._forked = False
        tell_of_forks(self)

    @property
    def computes_in(self) -> str:
        """Say which browser it is, and what computes there: `Chromium 156.0, WASM with 2 threads`."""
        return self._page.computes_in

    @property
    def process_id(self) -> int:
        """The system's number of the browser's process."""
        return self._page.process_id

    def infer(self, image: NDArray[Any], /) -> dict[str, NDArray[Any]]:
        """Run one batch of images (N, H, W, C) and return the outputs by name."""
        (wanted,) = self.inputs.values()
        if image.shape != wanted.shape or image.dtype != wanted.dtype:
            raise EngineError(
                f"{FACTS.title} failed: the engine takes {wanted.dtype} images of shape {wanted.shape}, got "
                f"{image.dtype} {image.shape}"
            )
        return self._ask("infer", image.tobytes())[1]

    def find(self, frame: NDArray[np.uint8], /) -> FrameResult:
        """Let the page's own code decode, resize and segment a frame (H, W, 3), and bring results back to it.

        Raises:
            ShapeError: if it is no such frame.
            EngineError: as `infer`.
        """
        check_frame(frame)
        png = cv2.imencode(".png", frame, [cv2.IMWRITE_PNG_COMPRESSION, 1])[1].tobytes()
        values, arrays = self._ask("segment", png, masks=self._spec.head.kind == "multilabel")
        taken = self._spec.input
        image = arrays["input"].reshape(taken.height, taken.width, taken.channels)
        if self._spec.task == "instance":
            return FrameResult(image, _objects(values["objects"], arrays, frame.shape[:2]))
        masks = arrays["masks"].astype(np.bool_) if "masks" in arrays else None
        return FrameResult(image, SemanticResult(arrays["labels"], masks=masks))

    def close(self) -> None:
        """End the browser, after the inference that runs; closing twice is allowed."""
        if not self._forked:
            self._pages.close()

    def forked(self) -> None:
        """Leave the browser alone: it is the parent's."""
        self._forked = True
        self._page.forked()
        never_free(self)

    def _ask(
        self, kind: str, payload: bytes, **values: Any
    ) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        if self._forked:
            raise EngineError(FORKED)
        with self._pages.take() as page:
            try:
                return page.ask(kind, payload, **values)
            except EngineError as error:
                raise EngineError(f"{FACTS.title} failed: {error}") from error


def open(
    folder: Path,
    manifest: Manifest,
    *,
    device: str | None,
    threads: int | None,
    provider: Provider = WASM,
    arguments: tuple[str, ...] = (),
) -> WebBackend:
    """Open a page; other arguments and errors are those of `open_backend`.

    Args:
        provider: what computes: `wasm`, `webgpu`, or `auto`, which is the page's own choice.
        arguments: further ones of the browser's.
    """
    options = read_options(EngineOptions, folder, manifest)
    device = device or manifest.device
    if device not in FACTS.devices:
        raise UsageError(f"{FACTS.title} has no device {device!r}; it has {', '.join(FACTS.devices)}")
    told = json.dumps(to_json_value(manifest)).encode()  # an engine under construction has no file of it

    def read(name: str) -> bytes:
        return told if name == MANIFEST_NAME else read_file(folder, manifest, name)

    read(options.model_file)  # compares it with its hash
    proof = files("edgeseg.engines.web").joinpath("assets/proof")
    own = {one.name: one.read_bytes() for one in proof.iterdir()}
    page = Page(read, own, arguments)
    try:
        page.open(provider, threads or options.threads)
    except EngineError as error:
        page.close()
        raise EngineError(f"{FACTS.title} cannot open {folder}: {error}") from error
    except BaseException:
        page.close()
        raise
    return WebBackend(page, manifest.spec)


def _objects(
    told: list[dict[str, Any]], arrays: Mapping[str, NDArray[Any]], frame_hw: tuple[int, ...]
) -> InstanceResult:
    crops = tuple(
        MaskCrop(one["left"], one["top"], arrays[f"mask {i}"].astype(np.bool_)) for i, one in enumerate(told)
    )
    return InstanceResult(
        np.array([one["box"] for one in told], np.float32).reshape(-1, 4),
        np.array([one["score"] for one in told], np.float32),
        np.array([one["classId"] for one in told], np.int64),
        (frame_hw[0], frame_hw[1]),
        crops,
    )
