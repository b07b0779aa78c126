"""Dense Mask R-CNN R50-FPN against torchvision's eager detector: what is missed, how far the rest differs.

python -m benchmarks.dense_agreement [--sizes HxW ...] [--batches 1 3] [--detections 0 5 100]
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from tests.export.dense_agreement import agreements


def main() -> None:
    """Print one row a case and engine."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sizes", nargs="+", default=["256x320", "480x640", "800x1088"])
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 3])
    parser.add_argument("--detections", type=int, nargs="+", default=[0, 5, 100])
    arguments = parser.parse_args()
    print(
        f"{'size':>9} {'batch':>5} {'engine':>12} {'torchvision finds':>18} {'matched':>8} {'missed':>7} "
        f"{'extra':>6} {'border':>7} {'score':>9} {'box px':>9} {'mask':>9} {'mask IoU':>9}"
    )
    for size in arguments.sizes:
        for batch in arguments.batches:
            for detections in arguments.detections:
                with tempfile.TemporaryDirectory() as folder:
                    report(size, batch, detections, Path(folder))


def report(size: str, batch: int, detections: int, folder: Path) -> None:
    """Print the rows of one case."""
    height, width = map(int, size.split("x"))
    for agreement in agreements((height, width), batch, detections, folder):
        errors = agreement.errors
        print(
            f"{size:>9} {batch:5} {agreement.engine:>12} {' '.join(map(str, agreement.found)):>18} "
            f"{errors.matched:8} {errors.missed:7} {errors.extra:6} {errors.borderline:7} "
            f"{errors.max_score:9.1e} {errors.max_box_px:9.1e} {errors.max_mask:9.1e} "
            f"{errors.min_mask_iou:9.4f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
