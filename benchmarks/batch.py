"""Archives by several processes: throughput beside `edgeseg run`, memory over many pictures, and faults.

Throughput, in rounds: `edgeseg run` alone, held to one core and not, and twice at once, which is what two
cores allow; `edgeseg batch` with 1 and 2 processes, and with 1 and 2 actors of Ray. A rate is that of what a
larger archive takes more than a small one, so that starts are no part of it; these are a column of their own.
So is the processor time of a picture, which other programs hardly change (Ray's own processes are not in it).
Ray is busy with itself for some seconds after its start, which `--few 300` leaves out as well.
Each way of `batch` must write the same bytes. `--pictures 0` leaves it out.

Memory (`--soak N`): what each worker holds between a tenth and a third of N pictures, and in the last third.

Faults (`--kills N`): workers, drivers and nodes are killed at random until N kills were made, also all
workers again and again, and in the middle of writing a part; each run is gone on with until the archive is
done, and the results are compared with those of a run that nobody disturbed.

    python -m benchmarks.batch [--pictures N] [--few N] [--repeats N] [--ways WAY,WAY] [--soak N] [--kills N]
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.batches.archive import unet_engine, write_pictures
from benchmarks.batches.faults import kill_at_random
from benchmarks.batches.processes import below, is_worker, resident_mb
from benchmarks.batches.throughput import EDGESEG, WAYS, throughput

SAMPLE_S = 1.0
NOTHING_BEFORE, BEGUN = 0.1, 0.3  # shares of a soak: memory is taken between them, and at the end


def main() -> None:
    """Print a table a question."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--pictures", type=int, default=200, help="of the throughput's larger archive")
    parser.add_argument("--few", type=int, default=8, help="of its smaller archive")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--ways", default=",".join(WAYS), help="that are compared")
    parser.add_argument("--soak", type=int, default=0, metavar="PICTURES")
    parser.add_argument("--kills", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0, help="of what is killed when")
    parser.add_argument("--without-ray", action="store_true")
    parser.add_argument("--size", default="480x640", help="of pictures and input")
    parser.add_argument("--engine", type=Path, help="in place of the demo's U-Net")
    arguments = parser.parse_args()
    height, width = map(int, arguments.size.split("x"))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        engine = arguments.engine or unet_engine(folder, (height, width))
        if arguments.pictures:
            many = write_pictures(folder / "many", arguments.pictures, (height, width))
            few = write_pictures(folder / "few", arguments.few, (height, width))
            ways = [way for way in arguments.ways.split(",") if not (arguments.without_ray and "ray" in way)]
            throughput(folder, engine, (few, many), arguments.repeats, ways)
        for ray in (False,) if arguments.without_ray else (False, True):
            if arguments.soak:
                pictures = folder / "soak"
                if not pictures.exists():
                    write_pictures(pictures, arguments.soak, (height, width))
                soak(folder, engine, pictures, arguments.soak, ray=ray)
            if arguments.kills:
                kill_at_random(folder, engine, arguments.kills, arguments.seed, (height, width), ray=ray)


def soak(folder: Path, engine: Path, pictures: Path, count: int, *, ray: bool) -> None:
    """Watch memory while many pictures are segmented by two workers."""
    output = folder / "soaked"
    command = [*EDGESEG, "batch", str(engine), str(pictures), "-o", str(output), "--workers", "2"]
    command += ["--ray", "local"] if ray else []
    run = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    seen: dict[int, list[tuple[float, float]]] = {}
    parts = 0
    samples: list[tuple[int, dict[int, float]]] = []
    while run.poll() is None:
        time.sleep(SAMPLE_S)
        parts = len(list(output.glob("parts/*.parquet")))
        held = {process: resident_mb(process) for process, line in below(run.pid).items() if is_worker(line)}
        samples.append((parts, {**held, run.pid: resident_mb(run.pid)}))
    if run.returncode:
        raise SystemExit((run.stderr.read() if run.stderr else b"").decode()[-2000:])
    for done, held in samples:
        for process, amount in held.items():
            if amount:
                seen.setdefault(process, []).append((done / max(1, parts), amount))
    print(f"{'MB over ' + str(count) + ' pictures':32} {'10 to 30 %':>10} {'70 to 100 %':>11} {'most':>8}")
    for process, amounts in seen.items():
        early = [amount for share, amount in amounts if NOTHING_BEFORE <= share <= BEGUN]
        late = [amount for share, amount in amounts if share >= 1 - BEGUN]
        if early and late:
            kind = "driver" if process == run.pid else ("actor of Ray" if ray else "worker")
            most = max(amount for _, amount in amounts)
            print(f"{kind:32} {statistics.median(early):10.1f} {statistics.median(late):11.1f} {most:8.1f}")
    sys.stdout.flush()
    subprocess.run(["rm", "-r", str(output)], check=True)


if __name__ == "__main__":
    main()
