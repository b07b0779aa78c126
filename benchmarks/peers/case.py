"""A folder with all that contenders of one network need, so that each can live in a process of its own."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from benchmarks.peers.by_hand import Frame


@dataclass(frozen=True)
class Case:
    """What is known of one network without its libraries.

    Attributes:
        folder: with `frame.npy`, `fitted.npy`, `weights.pt`, `plain.onnx`, `ours.onnx` and conversions.
        row: key of `rows.ROWS`.
        size_hw: of the network's input.
        mean_rgb, std_rgb: of pixels in 0..1.
    """

    folder: Path
    row: str
    is_detector: bool
    size_hw: tuple[int, int]
    mean_rgb: tuple[float, ...]
    std_rgb: tuple[float, ...]

    @classmethod
    def read(cls, folder: Path) -> Case:
        """Read what `write` wrote."""
        value = json.loads((folder / "case.json").read_text())
        sides = {name: tuple(value[name]) for name in ("size_hw", "mean_rgb", "std_rgb")}
        return cls(folder, value["row"], value["is_detector"], **sides)

    def write(self) -> None:
        """Write the case into its folder."""
        (self.folder / "case.json").write_text(json.dumps({**asdict(self), "folder": None}))

    def frame(self, name: str = "frame") -> Frame:
        """Read the camera's frame, or, as `fitted`, that frame resized to the network's input."""
        frame: Frame = np.load(self.folder / f"{name}.npy")
        return frame

    def converted(self, name: str) -> str:
        """Give the path of a converted model.

        Raises:
            FileNotFoundError: with the converter's words, if it failed.
        """
        path, failure = self.folder / name, self.folder / f"{name}.failed"
        if failure.exists():
            raise FileNotFoundError(failure.read_text())
        if not path.exists():
            raise FileNotFoundError(f"there is no {name}; run with --prepare")
        return str(path)
