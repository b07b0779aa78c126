"""Turn what PyTorch computed for generated pictures into a few kilobytes in the model's file, and back.

Whoever has the file can then prove at any time, without torch and without the checkpoint, that it still
computes the same. Of dense outputs a grid of samples is kept, of masks those of the best detections.
"""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeseg.errors import SpecError, shown
from edgeseg.export.archive import read_arrays
from edgeseg.export.parity import Outputs
from edgeseg.reading import parse_json, reason_of

GOLDEN_VERSION = 1
MOST_SEEDS = 64  # pictures; an export keeps two
GRID_SIDE = {"logits": 16, "labels": 96}  # samples per side that are kept of an image
MASKS = 8  # of the best detections of an image; as float16, off by at most 2**-12


@dataclass(frozen=True)
class Golden:
    """What PyTorch computed, and the hash of the graph that was proven with it.

    Attributes:
        seeds: of the pictures (`pictures.picture`), one an item of `outputs`.
        outputs: samples of each picture's outputs, as `sample` takes them.
        graph_sha256: of nodes and weights, as `portable.graph_sha256` computes it.
        max_detections: where detections are cut off; None for semantic networks.
    """

    seeds: tuple[int, ...]
    outputs: tuple[Outputs, ...]
    graph_sha256: str
    max_detections: int | None = None

    def to_json(self) -> str:
        """Write as JSON with the arrays in one base64 block; equal values give equal bytes."""
        arrays = {
            f"{index}.{name}": array
            for index, outputs in enumerate(self.outputs)
            for name, array in sorted(outputs.items())
        }
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
        return json.dumps(
            {
                "version": GOLDEN_VERSION,
                "seeds": list(self.seeds),
                "graph_sha256": self.graph_sha256,
                "max_detections": self.max_detections,
                "arrays": base64.b64encode(buffer.getvalue()).decode(),
            },
            sort_keys=True,
        )

    @classmethod
    def from_json(cls, text: str) -> Golden:
        """Read what `to_json` wrote.

        Raises:
            SpecError: if the text is something else or of another version.
        """
        try:
            plain = parse_json(text, SpecError, "the golden outputs")
            if plain["version"] != GOLDEN_VERSION:
                raise SpecError(
                    f"the golden outputs have version {shown(plain['version'])}, this edgeseg reads "
                    f"{GOLDEN_VERSION}; export the model again"
                )
            _check_frame(plain)
            outputs = _read_arrays(base64.b64decode(plain["arrays"]), len(plain["seeds"]))
            return cls(tuple(plain["seeds"]), outputs, plain["graph_sha256"], plain["max_detections"])
        except SpecError:
            raise
        except Exception as error:  # bytes that nobody vouches for make the readers raise anything
            raise SpecError(
                f"the golden outputs cannot be read ({reason_of(error)}); export the model again"
            ) from error


def sample(outputs: Outputs) -> dict[str, NDArray[Any]]:
    """Keep of one image's outputs what a `Golden` keeps: a grid of pixels, all detections, a few masks."""
    samples: dict[str, NDArray[Any]] = {}
    for name, array in outputs.items():
        if name in GRID_SIDE:
            rows, columns = (_grid(side, GRID_SIDE[name]) for side in array.shape[-2:])
            samples[name] = np.ascontiguousarray(array[..., rows[:, None], columns])
        else:
            samples[name] = array[:MASKS].astype(np.float16) if name == "masks" else array
    return samples


def sample_all(results: Sequence[Outputs]) -> tuple[Mapping[str, NDArray[Any]], ...]:
    """Sample the outputs of several images."""
    return tuple(sample(outputs) for outputs in results)


def _grid(side: int, samples: int) -> NDArray[np.int64]:
    count = min(side, samples)
    return (2 * np.arange(count) + 1) * side // (2 * count)


def _read_arrays(block: bytes, images: int) -> tuple[dict[str, NDArray[Any]], ...]:
    outputs: tuple[dict[str, NDArray[Any]], ...] = tuple({} for _ in range(images))
    for key, array in read_arrays(block).items():
        index, name = key.split(".")
        outputs[int(index)][name] = array
    return outputs


def _check_frame(plain: Any) -> None:
    """Raise ValueError for numbers that no export writes: pictures are drawn for each seed."""
    seeds, most = plain["seeds"], plain["max_detections"]
    whole = [*seeds, *([] if most is None else [most])]
    if not isinstance(plain["graph_sha256"], str) or not all(type(number) is int for number in whole):
        raise ValueError("seeds and detections are whole numbers, the sha256 a text")
    if not 1 <= len(seeds) <= MOST_SEEDS or not all(0 <= number < 2**31 for number in whole):
        raise ValueError(f"1 to {MOST_SEEDS} seeds, each 0 or more")
