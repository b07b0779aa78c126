"""Sources, segmenters and videos for tests that need neither a camera nor an engine."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from edgeseg.frames.results import InstanceResult, MaskCrop
from edgeseg.runtime import FakeBackend, Segmenter
from edgeseg.runtime.fake import fake_outputs
from edgeseg.runtime.frame import Frame
from edgeseg.runtime.sources.base import Source
from edgeseg.spec import GraphSpec, InputSpec, ModelSpec, OutputSpec, Provenance

SEMANTIC = ModelSpec(
    task="semantic",
    class_names=("background", "bright"),
    input=InputSpec(8, 8),
    graph=GraphSpec((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
    output_kind="labels",
    outputs=(OutputSpec("labels", "uint8", (1, 8, 8)),),
    source=Provenance("fake"),
    palette_rgb=((0, 0, 0), (200, 100, 0)),
)
INSTANCE = ModelSpec(
    task="instance",
    class_names=("background", "cat", "dog"),
    input=InputSpec(8, 8),
    graph=GraphSpec((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
    output_kind="instances",
    outputs=tuple(OutputSpec(name, "float32", (1,)) for name in ("boxes", "scores", "class_ids", "masks")),
    source=Provenance("fake"),
)


def bright_pixels(on_infer: Callable[[], object] = lambda: None) -> Segmenter:
    """A segmenter whose class 1 is every pixel whose blue is above 127; the hook sees every frame."""

    def compute(images: np.ndarray) -> Mapping[str, np.ndarray]:
        on_infer()
        return fake_outputs(SEMANTIC, images)

    return Segmenter(FakeBackend(SEMANTIC, compute).engine())


class GreyFrames(Source):
    """Frames of 8x8 pixels, each of one grey value."""

    name = "grey"

    def __init__(self, greys: Sequence[int], *, live: bool = False, fps: float | None = None) -> None:
        super().__init__()
        self.live, self.fps, self.frame_count = live, fps, len(greys)
        self.closed = False
        self.position = 0
        self.exhausted = threading.Event()
        self._greys = greys

    def read(self) -> Frame | None:
        if self.position == len(self._greys):
            self.exhausted.set()
            return None
        image = np.full((8, 8, 3), self._greys[self.position], np.uint8)
        self.position += 1
        return Frame(image, self.position - 1, time.monotonic())

    def close(self) -> None:
        self.closed = True


def two_animals() -> InstanceResult:
    """A cat over columns 0..3 and a dog over 2..7 of rows 0..3, in a frame of 6x8; the cat scores better."""
    return InstanceResult(
        boxes=np.array([[0, 0, 4, 4], [2, 0, 8, 4]], np.float32),
        scores=np.array([0.9, 0.6], np.float32),
        class_ids=np.array([1, 2], np.int64),
        frame_hw=(6, 8),
        _crops=(MaskCrop(0, 0, np.ones((4, 4), bool)), MaskCrop(2, 0, np.ones((4, 6), bool))),
    )


def write_video(path: Path, count: int, *, size_wh: tuple[int, int] = (64, 48), fps: float = 10.0) -> Path:
    """Write a video of grey frames that get brighter."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), fps, size_wh)
    for value in np.linspace(0, 255, count):
        writer.write(np.full((size_wh[1], size_wh[0], 3), value, np.uint8))
    writer.release()
    return path


def encode_video(
    path: Path,
    images: Sequence[np.ndarray],
    times: Sequence[float] | None = None,
    *,
    codec: str = "mjpeg",
    pixels: str = "yuvj420p",
    options: dict[str, str] | None = None,
    sound: bool = False,
    pixel_aspect: Fraction | None = None,
) -> Path:
    """Write (H, W, 3) BGR images at the given seconds, by default 25 a second."""
    import av

    times = times or [number / 25 for number in range(len(images))]
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options=options or {})
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt = pixels
        if codec != "mjpeg":
            stream.codec_context.time_base = Fraction(1, 1000)
        if pixel_aspect:
            stream.codec_context.sample_aspect_ratio = pixel_aspect
        if sound:
            tone = container.add_stream("aac", rate=48000)
            silence = av.AudioFrame.from_ndarray(np.zeros((2, 1024), np.float32), "fltp", "stereo")
            silence.sample_rate = 48000
            container.mux(tone.encode(silence))
        for image, second in zip(images, times, strict=True):
            frame = av.VideoFrame.from_ndarray(image, "bgr24")
            frame.time_base = stream.codec_context.time_base or Fraction(1, 25)
            frame.pts = round(second / frame.time_base)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
        if sound:
            container.mux(tone.encode())
    return path


def greys(count: int, size_hw: tuple[int, int] = (48, 64)) -> list[np.ndarray]:
    """Images that get brighter."""
    return [np.full((*size_hw, 3), value, np.uint8) for value in np.linspace(0, 255, count).astype(int)]


def moving(count: int, size_hw: tuple[int, int] = (96, 128)) -> list[np.ndarray]:
    """Images of noise that moves, which takes an encoder some bytes."""
    noise = np.random.default_rng(0).integers(0, 255, (size_hw[0], 2 * size_hw[1], 3), np.uint8)
    noise = cv2.GaussianBlur(noise, (5, 5), 0)
    return [np.ascontiguousarray(np.roll(noise, -3 * i, axis=1)[:, : size_hw[1]]) for i in range(count)]


def damage(path: Path, numbers: tuple[int, ...], *, zeros: bool = True) -> Path:
    """Overwrite the second half (or all, by zeros) of some packets of a video."""
    import av

    with av.open(str(path)) as container:
        packets = [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size]
    data = bytearray(path.read_bytes())
    noise = np.random.default_rng(1)
    for number in numbers:
        position, size = packets[number]
        if zeros:
            data[position : position + size] = bytes(size)
        else:
            data[position + size // 2 : position + size] = noise.bytes(size - size // 2)
    path.write_bytes(data)
    return path
