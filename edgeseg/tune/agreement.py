"""Take what the fp32 model finds in images for the truth, where nobody has labelled them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from pycocotools import mask as rle

from edgeseg.evaluation.labelled_images import Labelled, Truth, source_of
from edgeseg.evaluation.objects import Annotation
from edgeseg.frames.results import InstanceResult, Result
from edgeseg.runtime.segmenter import Segmenter
from edgeseg.spec import ModelSpec


class AgreementImages:
    """Images, each with what a reference finds in it; see `evaluation.entry.Data`.

    Args:
        reference: the fp32 model; it sees each image once, when the first of the others does.
        paths: of image files.

    Attributes:
        notes: what was read in a way that a user might not expect.
    """

    def __init__(self, reference: Segmenter, paths: Sequence[Path]) -> None:
        self.spec: ModelSpec = reference.spec
        self.class_ids = frozenset(range(1, len(self.spec.class_names)))
        self.notes: list[str] = []
        self._reference = reference
        self._paths = paths
        self._truths: dict[str, Truth] = {}

    def __len__(self) -> int:
        """Count the images."""
        return len(self._paths)

    def __iter__(self) -> Iterator[Labelled]:
        """Read them. Raises SourceError if none can be read."""
        with source_of(self._paths, self._paths[0].parent, self.spec) as source:
            for frame in source:
                name = f"{frame.name}" if frame.page is None else f"{frame.name} page {frame.page}"
                if name not in self._truths:
                    self._truths[name] = truth_of(self._reference(frame.image))
                yield Labelled(name, frame.image, self._truths[name])
            self.notes = [*source.notes, *(f"left out: {line}" for line in source.skipped)]


def truth_of(result: Result) -> Truth:
    """Give what was found as if it were true: class ids (H, W), or objects as COCO annotations."""
    if not isinstance(result, InstanceResult):
        return result.labels
    return [_annotation(dict(one)) for one in result.to_coco()]


def _annotation(found: Annotation) -> Annotation:
    kept = {name: found[name] for name in ("category_id", "segmentation", "bbox")}
    return {**kept, "area": float(rle.area(found["segmentation"])), "iscrowd": 0}
