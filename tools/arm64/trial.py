"""Build, verify and run packages on a device and on this machine, and say whether both find the same."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import av
import cv2

import edgeseg.demo
from edgeseg.manifest import read_manifest
from edgeseg.scenes.scene import animate
from tools.arm64.agreement import compare
from tools.arm64.confined import Closed, Ran

NETWORKS: dict[str, tuple[str, ...]] = {  # and what each is exported with
    "unet": ("--output-kind", "logits"),
    "deeplab": (),
    "maskrcnn": (),
}
REFINED = "unet"  # is run with a CRF, too, which needs logits
SIZE_HW = (96, 128)  # pixels: small, for an emulated processor takes a hundred times as long
SEED, FRAMES = 3, 3  # of scenes
FRAME_HW = (120, 160)  # of pictures: larger than the networks' input, so that they are resized
CLIP, PICTURES = "clip.mp4", "pictures"


@dataclass(frozen=True)
class Trial:
    """A device with several installations.

    Attributes:
        maker: builds, and reads video.
        runners: by backend, run what was built, and read pictures.
    """

    maker: Closed
    runners: Mapping[str, Closed]

    @property
    def data(self) -> Path:
        """What the device can read; what it made is moved there, out of its reach."""
        return self.maker.data

    def make(self, network: str) -> None:
        """Export and pack a network here; and once a clip, and its pictures."""
        weights = Path(edgeseg.demo.__path__[0]) / "checkpoints" / f"{network}.safetensors"
        model, package = self.data / f"{network}.onnx", self.data / f"{network}.edgeseg"
        options = ("--weights", str(weights), "--size", f"{SIZE_HW[0]}x{SIZE_HW[1]}", *NETWORKS[network])
        _edgeseg("export", f"demo_{network}", *options, "-o", model)
        _edgeseg("build", model, "--package", "-o", package)
        if not (self.data / CLIP).exists():
            _film(self.data)

    def agrees(self, network: str, backend: str) -> bool:
        """Do everything, and print a line for each run.

        Raises:
            DeviceError: if something fails on the device.
        """
        name = f"{network}-{backend}"
        options = ("--backend", backend, "--no-passes")  # which are fastest is not found under emulation
        here = self.data.parent / f"{name}-here"
        _edgeseg("build", self.data / f"{network}.edgeseg", *options, "-o", here)
        built = self._on_device("build", f"/data/{network}.edgeseg", *options, "-o", f"/out/{name}")
        shutil.move(self.maker.out / name, self.data / name)
        verified = self._on_device("verify", f"/data/{name}")
        print(f"{network} in {backend}: built ({_taken(built)}), verified ({_taken(verified)})", flush=True)
        runner = self.runners[backend]
        same = [self._same(name, here, self.maker, CLIP), self._same(name, here, runner, PICTURES)]
        if network == REFINED:
            same.append(self._same(name, here, self.maker, CLIP, "--crf"))  # takes OpenCV
        return all(same)

    def _on_device(self, *words: str) -> Ran:
        return self.maker.run("-m", "edgeseg", *words)

    def _same(self, name: str, here: Path, device: Closed, source: str, *options: str) -> bool:
        """Run this machine's engine here, and the device's there."""
        results = f"{name}-{source}{''.join(options)}.jsonl"
        _edgeseg("run", here, self.data / source, *options, "-o", self.data / results)
        there = (f"/data/{name}", f"/data/{source}", *options, "-o", f"/out/{results}")
        ran = device.run("-m", "edgeseg", "run", *there)
        threshold = read_manifest(here).spec.thresholds.score
        said, same = compare(self.data / results, device.out / results, threshold)
        words, verdict = " ".join((source, *options)), "agrees" if same else "differs"
        print(f"  {words} {verdict}: {said} ({_taken(ran)})", flush=True)
        return same


def _taken(ran: Ran) -> str:
    return f"{ran.duration_s:.0f} s, {ran.peak_mib:.0f} MiB"


def _film(folder: Path) -> None:
    """Render a few frames as pictures, and smaller ones as a video.

    The video is RGB, and of the networks' own size: on ARM64 swscale turns YUV into other bytes than on
    x86-64, and OpenCV resizes to others, 2 and 1 of 255 levels apart. Pictures are resized by our own kernel.
    """
    (folder / PICTURES).mkdir()
    for index, scene in enumerate(islice(animate(SEED, FRAME_HW), FRAMES)):
        cv2.imwrite(str(folder / PICTURES / f"{index}.png"), scene.image)
    with av.open(str(folder / CLIP), "w") as video:
        stream = video.add_stream("libx264rgb", rate=25, options={"crf": "18"})
        stream.height, stream.width = SIZE_HW
        stream.pix_fmt = "bgr24"
        for scene in islice(animate(SEED, SIZE_HW), FRAMES):
            video.mux(stream.encode(av.VideoFrame.from_ndarray(scene.image, format="bgr24")))
        video.mux(stream.encode())


def _edgeseg(*words: str | Path) -> None:
    """Run a command here."""
    subprocess.run([sys.executable, "-m", "edgeseg", *words], capture_output=True, check=True)
