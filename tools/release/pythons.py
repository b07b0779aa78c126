"""Try an installed wheel with every Python it is for: python -m tools.release.pythons WHEEL

Each gets the newest versions that there are for it, of ONNX Runtime and of what builds engines. It must
build an engine from a package that was made here, verify it, and run it with the same results. Pythons come
from the path and from pyenv; one that neither has is unpacked from Debian's testing. It wants torch beside
it, and `uv` and `patchelf` on the path.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

import edgeseg.demo
from edgeseg.scenes.pictures import picture
from tools.debian import unpack
from tools.release.wheels import PYPROJECT, minors

SIZE = (96, 128)  # height and width in pixels
SEEDS = range(3)  # of pictures
LIBRARIES = ("numpy", "onnxruntime", "onnx")  # whose versions are told
KERNELS = (
    "from edgeseg.frames.resize_kernel import fastest; from edgeseg.runtime.crf.kernel import load; "
    "assert fastest() and load()"
)
VERSIONS = (
    "import json, platform; from importlib.metadata import version; "
    f"print(json.dumps([platform.python_version(), *map(version, {LIBRARIES})]))"
)
LEAST_SAME = 0.999  # of the pixels; other versions of ONNX Runtime round otherwise, where two classes meet


def main(wheel: str) -> int:
    """Try them in turn; returns how many failed."""
    failed = 0
    with tempfile.TemporaryDirectory(prefix="edgeseg-") as temporary:
        folder = Path(temporary)
        _make(folder)
        for minor in minors(PYPROJECT.read_text(encoding="utf-8")):
            start_s = time.monotonic()
            try:
                python = python_of(minor, folder / f"debian-{minor}")
                said = _try(python, wheel, folder, folder / f"python-{minor}")
            except (subprocess.CalledProcessError, AssertionError) as error:
                print(f"Python 3.{minor}: {error}\n{getattr(error, 'stderr', '')}", flush=True)
                failed += 1
            else:
                print(f"{said} ({time.monotonic() - start_s:.0f} s)", flush=True)
    return failed


def python_of(minor: int, folder: Path) -> Path:
    """Find a Python 3.`minor` that runs here, or make one in the folder."""
    return next((path for path in _installed(minor) if _is(path, minor)), None) or _unpacked(minor, folder)


def _is(path: Path, minor: int) -> bool:
    """Whether it runs, and is what it is called: pyenv has programs that only say which version to choose."""
    try:
        return _run(path, "-c", "import sys; print(sys.version_info[1])").strip() == str(minor)
    except (OSError, subprocess.CalledProcessError):
        return False


def _installed(minor: int) -> Iterator[Path]:
    yield Path(f"python3.{minor}")
    yield from sorted((Path.home() / ".pyenv" / "versions").glob(f"3.{minor}.*/bin/python"), reverse=True)


def _unpacked(minor: int, root: Path) -> Path:
    """Unpack Debian's, and tell it where its own C library is, for that is newer than this machine's."""
    unpack(root, "testing", (f"python3.{minor}",))
    program = root / "usr" / "bin" / f"python3.{minor}"
    machine = platform.machine()
    (loader,) = (root / "usr" / "lib" / f"{machine}-linux-gnu").glob("ld-linux-*")
    _run("patchelf", "--set-interpreter", loader, "--force-rpath", "--set-rpath", loader.parent, program)
    return program


def _make(folder: Path) -> None:
    """Export a network, and make a package, an engine, pictures and what the engine finds in them."""
    (folder / "pictures").mkdir()
    for seed in SEEDS:
        cv2.imwrite(str(folder / "pictures" / f"{seed}.png"), picture(seed, SIZE))
    weights = Path(edgeseg.demo.__path__[0]) / "checkpoints" / "unet.safetensors"
    size = f"{SIZE[0]}x{SIZE[1]}"
    here = (sys.executable, "-m", "edgeseg")
    _run(*here, "export", "demo_unet", "--weights", weights, "--size", size, "-o", folder / "unet.onnx")
    _run(*here, "build", folder / "unet.onnx", "--package", "-o", folder / "unet.edgeseg")
    _run(*here, "build", folder / "unet.onnx", "-o", folder / "engine")
    _run(*here, "run", folder / "engine", folder / "pictures", "-o", folder / "here")


def _try(python: Path, wheel: str, made: Path, environment: Path) -> str:
    """Install, run, build and verify; returns what it was tried with."""
    _run("uv", "venv", "--quiet", "--python", python, environment)
    there, program = environment / "bin" / "python", environment / "bin" / "edgeseg"
    _run("uv", "pip", "install", "--quiet", "--python", there, f"{wheel}[cpu,build]")
    _run(there, "-c", KERNELS, folder=environment)
    engine, maps = environment / "engine", environment / "maps"
    _run(program, "build", made / "unet.edgeseg", "-o", engine, folder=environment)
    _run(program, "verify", engine, folder=environment)
    _run(program, "run", engine, made / "pictures", "-o", maps, folder=environment)
    same = _same(made / "here", maps)
    assert same >= LEAST_SAME, f"{1 - same:.2%} of the pixels have other labels"
    version, *versions = json.loads(_run(there, "-c", VERSIONS, folder=environment))
    named = ", ".join(f"{name} {one}" for name, one in zip(LIBRARIES, versions, strict=True))
    return f"Python {version} builds, verifies and runs; {same:.2%} of the labels are the same; {named}"


def _same(one: Path, other: Path) -> float:
    """Give the share of pixels that have the same label in two folders of maps."""
    names = sorted(path.name for path in one.glob("*.png"))
    assert names, f"no maps in {one}"
    maps = [np.stack([_map(folder / name) for name in names]) for folder in (one, other)]
    return float(np.mean(maps[0] == maps[1]))


def _map(path: Path) -> NDArray[np.uint8]:
    labels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert labels is not None, f"{path} is no picture"
    return labels.astype(np.uint8)


def _run(*command: str | Path, folder: Path | None = None) -> str:
    """Run a command, in a folder where this checkout is not found, if one is given."""
    own = {name: value for name, value in os.environ.items() if folder is None or name != "PYTHONPATH"}
    return subprocess.run(command, cwd=folder, env=own, capture_output=True, text=True, check=True).stdout


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
