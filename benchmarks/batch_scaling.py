"""How archives would scale: a simulation of 1 to 10,000 workers from costs that are measured here.

    python -m benchmarks.batch_scaling [--costs FILE] [--workers N ...] [--plot FILE] [--pictures N]

What each stage costs is measured (`--costs` keeps it, and takes it where it is there), with the demo's U-Net
on pictures of 480x640; what a store does is said by `batches.cluster.Store`. Takes simpy.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from benchmarks.batches.archive import unet_engine, write_pictures
from benchmarks.batches.cluster import Load, Outcome, Store, simulate
from benchmarks.batches.costs import Costs, measure
from edgeseg.batch.groups import MOST_FRAMES
from edgeseg.batch.piece import LEAST, MOST
from edgeseg.batch.plan import ONE_IN
from edgeseg.charts.axis import axis_of
from edgeseg.palette import RGBColour
from edgeseg.tune.drawing import FAINT, INK, Path2D, Shape, Words, write_picture

WORKERS = (1, 2, 10, 32, 100, 320, 1000, 3200, 10000)
SIZE_HW = (480, 640)
SHARD_READS = 4  # requests of a short piece: the file's size, its end, its index, and its groups of rows
SIZE_WH = (720, 400)
LEFT, TOP, RIGHT, BOTTOM = 70, 44, 500, 340  # of the plot; names stand to the right of it
COLOURS: tuple[RGBColour, ...] = ((0, 114, 178), (230, 159, 0), (0, 158, 115), (204, 121, 167))


def main() -> None:
    """Print costs, and a table a load."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--costs", type=Path)
    parser.add_argument("--workers", type=int, nargs="+", default=list(WORKERS))
    parser.add_argument("--plot", type=Path, help="a picture: .svg or .png")
    parser.add_argument("--pictures", type=int, default=60, help="that are measured")
    parser.add_argument("--without-ray", action="store_true")
    arguments = parser.parse_args()
    if arguments.costs is not None and arguments.costs.exists():
        costs = Costs(**json.loads(arguments.costs.read_text()))
    else:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            pictures = write_pictures(folder / "pictures", arguments.pictures, SIZE_HW)
            engine = unet_engine(folder, SIZE_HW)
            costs = measure(engine, pictures, folder, ray=not arguments.without_ray)
        if arguments.costs is not None:
            arguments.costs.write_text(json.dumps(asdict(costs), indent=2) + "\n")
    print("\n".join(f"{name:15} {value:9.3f}" for name, value in asdict(costs).items()))
    found: dict[str, list[tuple[int, Outcome]]] = {}
    for load in loads(costs):
        found[load.name] = [(count, simulate(count, load, Store())) for count in arguments.workers]
        print("\n".join(table(load, found[load.name])), flush=True)
    if arguments.plot is not None:
        write_picture(arguments.plot, list(drawn(found, costs)), SIZE_WH, "Share of linear by workers")


def loads(costs: Costs) -> Sequence[Load]:
    """Say what is simulated: pictures one by one, and shards of up to 1,024 and from 8,192 samples on."""
    about = (costs.picture_ms, costs.picture_kb, costs.part_kb)
    group_ms = costs.ray_ms or costs.crew_ms
    piece_ms = group_ms * (ONE_IN / MOST_FRAMES if costs.ray_ms else 1)  # of few pictures, given out together
    return (
        Load("a file a picture", ONE_IN, None, False, *about, piece_ms),
        Load(f"short shards, {LEAST} a piece", LEAST, SHARD_READS, True, *about, group_ms),
        Load(f"long shards, {MOST} a piece", MOST, SHARD_READS + MOST // LEAST - 1, True, *about, group_ms),
    )


def table(load: Load, found: Sequence[tuple[int, Outcome]]) -> list[str]:
    """Give the lines of a load: pictures a second, over what its workers could do, and who was busy."""
    parts = list(found[0][1].busy)
    lines = [
        f"\n{load.name}: busy %",
        f"{'workers':>8} {'pictures/s':>11} {'of linear':>9}  " + "  ".join(parts),
    ]
    for count, outcome in found:
        share = outcome.pictures_a_s * load.picture_ms / 1000 / count
        busy = "  ".join(f"{100 * outcome.busy[name]:{len(name)}.0f}" for name in parts)
        lines.append(f"{count:8d} {outcome.pictures_a_s:11.1f} {share:9.2f}  {busy}  {outcome.bottleneck}")
    return lines


def drawn(found: dict[str, list[tuple[int, Outcome]]], costs: Costs) -> list[Shape]:
    """Draw the share of linear by workers, a line a load."""
    across = axis_of("workers", [count for some in found.values() for count, _ in some], logarithmic=True)
    up = axis_of("share of linear", [0.0, 1.0], from_zero=True)

    def place(count: float, share: float) -> tuple[float, float]:
        return LEFT + across.place(count) * (RIGHT - LEFT), BOTTOM - up.place(share) * (BOTTOM - TOP)

    shapes: list[Shape] = []
    for tick in across.ticks():
        x, _ = place(tick.value, 0)
        shapes += [Path2D([(x, TOP), (x, BOTTOM)], FAINT), Words(tick.text, (x, BOTTOM + 18), 12, "middle")]
    for tick in up.ticks():
        _, y = place(across.low, tick.value)
        shapes += [Path2D([(LEFT, y), (RIGHT, y)], FAINT), Words(tick.text, (LEFT - 8, y + 4), 12, "end")]
    for number, (name, some) in enumerate(found.items()):
        colour = COLOURS[number]
        points = [place(count, one.pictures_a_s * costs.picture_ms / 1000 / count) for count, one in some]
        y = TOP + 12 + 22 * number
        shapes += [
            Path2D(points, colour, width_px=2.0),
            Path2D([(RIGHT + 14, y), (RIGHT + 36, y)], colour, width_px=2.0),
        ]
        shapes.append(Words(name, (RIGHT + 42, y + 4), 12))
    shapes += [Path2D([(LEFT, TOP), (LEFT, BOTTOM), (RIGHT, BOTTOM)], INK)]
    shapes.append(Words(across.title, ((LEFT + RIGHT) / 2, BOTTOM + 40), 13, "middle"))
    shapes.append(Words("pictures a second, over what the workers' cores could do", (LEFT, TOP - 16), 13))
    return shapes


if __name__ == "__main__":
    main()
