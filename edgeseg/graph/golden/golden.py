"""Keep what PyTorch computed for generated pictures, in a few kilobytes of the model's file.

Whoever has the file can then prove at any time, without torch and without the checkpoint, that it still
computes the same. Of dense outputs a grid of samples is kept, of masks those of the best detections.
"""

from __future__ import annotations

import base64
import dataclasses
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeseg.errors import SpecError, shown
from edgeseg.graph.golden.archive import read_arrays
from edgeseg.graph.golden.frames import GoldenFrame, frames_from_json, frames_to_json
from edgeseg.graph.golden.selection import Selection
from edgeseg.graph.outputs import Outputs
from edgeseg.reading import parse_json, reason_of
from edgeseg.records import from_json_value, to_json_value

GOLDEN_NAME = "golden.json"
"""In an engine: what PyTorch computed, so that the engine can be proven without the portable model."""

GOLDEN_VERSION = 1
MOST_SEEDS = 64  # pictures; an export keeps two
GRID_SIDE = {"logits": 16, "labels": 96}  # samples per side that are kept of an image
INTERMEDIATE = "stage:"  # before the name of an intermediate value's samples
BOX = 4  # numbers
MASKS = 8  # of the best detections of an image; as float16, off by at most 2**-12


@dataclass(frozen=True)
class Golden:
    """What PyTorch computed, and the hash of the graph that was proven with it.

    Attributes:
        seeds: of the pictures (`pictures.picture`), one an item of `outputs`.
        outputs: samples of each picture's outputs, as `sample` takes them.
        graph_sha256: of nodes and weights, as `portable.graph_sha256` computes it.
        max_detections: where detections are cut off; None for semantic networks.
        intermediates: of an instance network, samples of its intermediate values in each picture, as
            `intermediates.golden_numbers` takes them: to compare by where decisions tie.
        rules: by which it decides; None for semantic networks, and where `intermediates` are missing.
        own: whether the outputs are the engine's own, proven by its intermediate values when it was built.
        frames: what is to be found in frames larger than the input; none in models exported before.
    """

    seeds: tuple[int, ...]
    outputs: tuple[Outputs, ...]
    graph_sha256: str
    max_detections: int | None = None
    intermediates: tuple[Outputs, ...] = ()
    rules: Selection | None = None
    own: bool = False
    frames: tuple[GoldenFrame, ...] = ()

    def of_engine(self, outputs: tuple[Outputs, ...]) -> Golden:
        """Put an engine's own samples in PyTorch's place: those to compare by where decisions tie."""
        frames = tuple(frame.without_results() for frame in self.frames)
        return dataclasses.replace(self, outputs=outputs, own=True, frames=frames)

    def to_json(self) -> str:
        """Write as JSON with the arrays in one base64 block; equal values give equal bytes."""
        arrays = {
            f"{index}.{name}": array
            for index, outputs in enumerate(self.outputs)
            for name, array in sorted(outputs.items())
        }
        arrays |= {
            f"{index}.{INTERMEDIATE}{name}": array
            for index, intermediates in enumerate(self.intermediates)
            for name, array in sorted(intermediates.items())
        }
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
        return json.dumps(
            {
                "version": GOLDEN_VERSION,
                "seeds": list(self.seeds),
                "graph_sha256": self.graph_sha256,
                "max_detections": self.max_detections,
                "own": self.own,
                "rules": None if self.rules is None else to_json_value(self.rules),
                "arrays": base64.b64encode(buffer.getvalue()).decode(),
                "frames": frames_to_json(self.frames) if self.frames else None,
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
            parsed = parse_json(text, SpecError, "the golden outputs")
            if parsed["version"] != GOLDEN_VERSION:
                raise SpecError(
                    f"the golden outputs have version {shown(parsed['version'])}, this edgeseg reads "
                    f"{GOLDEN_VERSION}; export the model again"
                )
            _check_frame(parsed)
            arrays = _read_arrays(base64.b64decode(parsed["arrays"]), len(parsed["seeds"]))
            intermediates = tuple(image[INTERMEDIATE] for image in arrays)
            rules = None if parsed.get("rules") is None else from_json_value(Selection, parsed["rules"])
            if rules is not None:
                _check_intermediates(intermediates)
            return cls(
                seeds=tuple(parsed["seeds"]),
                outputs=tuple(image[""] for image in arrays),
                graph_sha256=parsed["graph_sha256"],
                max_detections=parsed["max_detections"],
                intermediates=intermediates if any(intermediates) else (),
                rules=rules,
                own=parsed.get("own", False) is True,
                frames=() if parsed.get("frames") is None else frames_from_json(parsed["frames"]),
            )
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


def _read_arrays(block: bytes, images: int) -> tuple[dict[str, dict[str, NDArray[Any]]], ...]:
    """Give each image's arrays by name, those of outputs under "", intermediate ones under INTERMEDIATE."""
    found: tuple[dict[str, dict[str, NDArray[Any]]], ...] = tuple(
        {"": {}, INTERMEDIATE: {}} for _ in range(images)
    )
    for key, array in read_arrays(block).items():
        index, _, name = key.partition(".")
        kind = INTERMEDIATE if name.startswith(INTERMEDIATE) else ""
        found[int(index)][kind][name.removeprefix(INTERMEDIATE)] = array
    return found


def _check_intermediates(intermediates: Sequence[Outputs]) -> None:
    """Raise ValueError for samples that no export writes."""
    for samples in intermediates:
        boxes = samples["proposals.boxes"]
        if boxes.shape[1:] != (BOX,) or not len(boxes) or not np.isfinite(boxes).all():
            raise ValueError("the intermediate values have no boxes")
        if not all(array.dtype.kind == "f" for array in samples.values()):
            raise ValueError("samples of intermediate values are floats")


def _check_frame(parsed: Any) -> None:
    """Raise ValueError for numbers that no export writes: pictures are drawn for each seed."""
    seeds, most = parsed["seeds"], parsed["max_detections"]
    whole = [*seeds, *([] if most is None else [most])]
    if not isinstance(parsed["graph_sha256"], str) or not all(type(number) is int for number in whole):
        raise ValueError("seeds and detections are whole numbers, the sha256 a text")
    if not 1 <= len(seeds) <= MOST_SEEDS or not all(0 <= number < 2**31 for number in whole):
        raise ValueError(f"1 to {MOST_SEEDS} seeds, each 0 or more")
