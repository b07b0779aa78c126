"""Hold what was measured of a network on labelled images, and write it: numbers as JSON, and pictures."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeseg.errors import SinkError, UsageError
from edgeseg.evaluation.confusion_picture import confusion_picture
from edgeseg.evaluation.disagreement import Disagreement
from edgeseg.evaluation.figures import Figure, defined
from edgeseg.evaluation.worst import WorstImage, png
from edgeseg.files import staged_folder
from edgeseg.manifest import Manifest
from edgeseg.spec import Task

REPORT_NAME = "report.json"
CONFUSION_NAME = "confusion.png"
WORST_NAME = "worst"
NO_CLASS, NOTHING = "(no class)", "(nothing)"


@dataclass(frozen=True)
class ImageScore:
    """How well one image came out: mIoU of its own, or F1 of its objects; NaN where nothing is counted.

    Attributes:
        name: of its file.
        score: of the network.
        other: of the other network, where there is one.
    """

    name: str
    score: float
    other: float | None = None

    @property
    def worth(self) -> float:
        """What the worst images are chosen by: the score, or what it is above the other network's."""
        return self.score if self.other is None else self.score - self.other


@dataclass(frozen=True)
class Evaluation:
    """What was measured of a network on labelled images, beside another one where there is one.

    Attributes:
        engine: what was measured.
        against: the other engine.
        class_names: by class id.
        figures: by name: `miou`, `mean_boundary_f`, `pixel_accuracy`; of instances `box_ap`, `mask_ap`, each
            also of `50`, `75`, `_small`, `_medium` and `_large`, and `f1`.
        class_figures: figures of each class, by name: `iou`, `boundary_f`; `box_ap`, `mask_ap`.
        true_counts: pixels, or objects, of each class in the truth, (C,).
        confusion: (C, C + 1) pixels, the truth in the rows, the last column no class; or (C, C) objects, row
            and column 0 nothing.
        disagreement: in what the two networks differ, whatever is true.
        images: each with its score, in the order in which they were read.
        worst: the images of least worth, the worst first.
        notes: what was left out, and what a reader must know.
    """

    engine: Manifest
    against: Manifest | None
    class_names: tuple[str, ...]
    figures: Mapping[str, Figure]
    class_figures: Mapping[str, tuple[Figure, ...]]
    true_counts: NDArray[np.int64]
    confusion: NDArray[np.int64]
    disagreement: Disagreement | None
    images: Sequence[ImageScore]
    worst: Sequence[WorstImage]
    notes: Sequence[str]

    @property
    def task(self) -> Task:
        """What the network does."""
        return self.engine.spec.task

    def to_json_value(self) -> dict[str, Any]:
        """Give all numbers as JSON has them, figures in 0..1, null for what is not defined."""
        rows, columns = self._confusion_names()
        return {
            "engine": _identity(self.engine),
            "against": None if self.against is None else _identity(self.against),
            "task": self.task,
            "images": len(self.images),
            "figures": {name: one.to_json_value() for name, one in self.figures.items()},
            "classes": [
                {
                    "id": class_id,
                    "name": name,
                    "true_pixels" if self.task == "semantic" else "true_objects": int(
                        self.true_counts[class_id]
                    ),
                    **{key: of[class_id].to_json_value() for key, of in self.class_figures.items()},
                }
                for class_id, name in enumerate(self.class_names)
            ],
            "confusion": {"true": rows, "found": columns, "counts": self.confusion.tolist()},
            "disagreement": None if self.disagreement is None else self.disagreement.to_json_value(),
            "each_image": [
                {"image": one.name, "score": defined(one.score)}
                | ({} if one.other is None else {"against": defined(one.other)})
                for one in self.images
            ],
            "worst": [{"image": one.name, "worth": defined(one.worth)} for one in self.worst],
            "notes": list(self.notes),
        }

    def write(self, folder: Path) -> None:
        """Write numbers and pictures into a folder, at once or not at all: an evaluation that is there goes.

        Raises:
            UsageError: if the folder holds anything else.
            SinkError: if it cannot be written.
        """
        refuse_other_content(folder)
        with staged_folder(folder, SinkError) as staging:
            (staging / REPORT_NAME).write_text(json.dumps(self.to_json_value(), indent=2) + "\n")
            (staging / CONFUSION_NAME).write_bytes(
                png(confusion_picture(self.confusion, *self._confusion_names()))
            )
            pictures = [one for one in self.worst if one.picture is not None]
            if pictures:
                (staging / WORST_NAME).mkdir()
            for rank, one in enumerate(pictures, start=1):
                path = staging / WORST_NAME / f"{rank:02}-{Path(one.name).stem}.png"
                path.write_bytes(one.picture or b"")

    def _confusion_names(self) -> tuple[list[str], list[str]]:
        names = list(self.class_names)
        if self.task == "semantic":
            return names, [*names, NO_CLASS]
        return [NOTHING, *names[1:]], [NOTHING, *names[1:]]


def refuse_other_content(folder: Path) -> None:
    """Raise UsageError if a folder that would be replaced is none, or holds what is no evaluation."""
    if not folder.exists():
        return
    own = {REPORT_NAME, CONFUSION_NAME, WORST_NAME}
    if not folder.is_dir() or not {path.name for path in folder.iterdir()} <= own:
        raise UsageError(f"{folder} holds something else than an evaluation; choose another folder")


def _identity(engine: Manifest) -> dict[str, Any]:
    return {
        "backend": engine.backend,
        "backend_version": engine.backend_version,
        "precision": engine.precision,
        "device": engine.device,
        "network": engine.spec.source.network,
        "model_sha256": engine.model_sha256,
    }
