"""Archives by several processes: throughput beside `edgeseg run`, memory over many pictures, and faults.

Throughput, in rounds: `edgeseg run` alone, held to one core and not, and twice at once, which is what two
cores allow; `edgeseg batch` with 1 and 2 processes, and with 1 and 2 actors of Ray. A rate is that of what a
larger archive takes more than a small one, so that starts are no part of it; these are a column of their own.
So is the processor time of a picture, which other programs hardly change (Ray's own processes are not in it).
Each way of `batch` must write the same bytes. `--pictures 0` leaves it out.

Memory (`--soak N`): what each worker holds between a tenth and a third of N pictures, and in the last third.

Faults (`--kills N`): workers, drivers and nodes are killed at random until N were, each run gone on with
until the archive is done, and the results compared with those of a run that nobody disturbed.

    python -m benchmarks.batch [--pictures N] [--repeats N] [--soak N] [--kills N] [--size HxW]
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.batches.archive import results_of, unet_engine, write_pictures
from benchmarks.batches.faults import kill_at_random
from benchmarks.batches.processes import below, is_worker, resident_mb

EDGESEG = (sys.executable, "-m", "edgeseg")
FEW = 8  # pictures of the small archive
SAMPLE_S = 1.0
NOTHING_BEFORE, BEGUN = 0.1, 0.3  # shares of a soak: memory is taken between them, and at the end
ONE_CORE = ("taskset", "-c", "0")
OTHER_CORE = ("taskset", "-c", "1")


def main() -> None:
    """Print a table a question."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--pictures", type=int, default=200, help="of the throughput's larger archive")
    parser.add_argument("--repeats", type=int, default=7)
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
            few = write_pictures(folder / "few", FEW, (height, width))
            throughput(folder, engine, many, few, arguments.repeats, ray=not arguments.without_ray)
        for ray in (False,) if arguments.without_ray else (False, True):
            if arguments.soak:
                pictures = folder / "soak"
                if not pictures.exists():
                    write_pictures(pictures, arguments.soak, (height, width))
                soak(folder, engine, pictures, arguments.soak, ray=ray)
            if arguments.kills:
                kill_at_random(folder, engine, arguments.kills, arguments.seed, (height, width), ray=ray)


def throughput(folder: Path, engine: Path, many: Path, few: Path, repeats: int, *, ray: bool) -> None:
    """Compare rates, a round after another."""
    output = folder / "out"
    run = [*EDGESEG, "run", str(engine)]

    def ran(pictures: Path, mark: str) -> list[str]:
        return [*run, str(pictures), "-o", str(folder / f"{mark}.jsonl"), "--threads", "1"]

    def batch(pictures: Path, workers: int, *more: str) -> list[str]:
        done = [*EDGESEG, "batch", str(engine), str(pictures), "-o", str(output)]
        return [*done, "--workers", str(workers), *more]

    ways: dict[str, tuple[int, ...]] = {"run": (), "run, one core": (), "two runs at once": ()}
    ways |= {"batch 1": (1,), "batch 2": (2,)} | ({"ray 1": (1,), "ray 2": (2,)} if ray else {})
    rates: dict[str, list[float]] = {way: [] for way in ways}
    starts: dict[str, list[float]] = {way: [] for way in ways}
    core_ms: dict[str, list[float]] = {way: [] for way in ways}
    first: Mapping[str, bytes] = {}
    count = len(list(many.iterdir()))
    for repeat in range(repeats):
        order = list(ways)
        for way in order[repeat % len(order) :] + order[: repeat % len(order)]:
            took, spent_s = [], []
            for pictures in (few, many):
                if way == "run":
                    commands: Sequence[Sequence[str]] = [ran(pictures, "a")]
                elif way == "run, one core":
                    commands = [[*ONE_CORE, *ran(pictures, "a")]]
                elif way == "two runs at once":
                    commands = [[*ONE_CORE, *ran(pictures, "a")], [*OTHER_CORE, *ran(pictures, "b")]]
                else:
                    more = ("--ray", "local") if way.startswith("ray") else ()
                    commands = [batch(pictures, ways[way][0], *more)]
                before_s = of_children_s()
                took.append(wall_s(commands))
                spent_s.append(of_children_s() - before_s)
                if ways[way]:
                    found = results_of(output)
                    subprocess.run(["rm", "-r", str(output)], check=True)
                    if pictures == many:
                        first = first or found
                        assert found == first, f"{way} wrote other bytes"
            times = 2 if way == "two runs at once" else 1
            rates[way].append(times * (count - FEW) / (took[1] - took[0]))
            starts[way].append(took[0])
            core_ms[way].append(1000 * (spent_s[1] - spent_s[0]) / (times * (count - FEW)))
    titles = (
        f"{'median':>8} {'least':>8} {'most':>8} {'of two runs':>12} {'8 take s':>9} {'core ms each':>13}"
    )
    print(f"{'pictures a second':20} {titles}")
    for way, found_rates in rates.items():
        share = statistics.median(
            rate / both for rate, both in zip(found_rates, rates["two runs at once"], strict=True)
        )
        print(
            f"{way:20} {statistics.median(found_rates):8.2f} {min(found_rates):8.2f} {max(found_rates):8.2f} "
            f"{share:12.2f} {statistics.median(starts[way]):9.2f} {statistics.median(core_ms[way]):13.1f}",
            flush=True,
        )
    print(f"{len(first)} parts, the same bytes by every way of batch in {repeats} rounds", flush=True)


def of_children_s() -> float:
    """Say how long the processor worked for processes that have ended, and for theirs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def wall_s(commands: Sequence[Sequence[str]]) -> float:
    """Run commands at once, and say how long all took."""
    began_s = time.monotonic()
    running = [
        subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) for command in commands
    ]
    for process in running:
        _, errors = process.communicate()
        if process.returncode:
            raise SystemExit(f"{' '.join(map(str, process.args))}: {errors.decode()[-2000:]}")
    return time.monotonic() - began_s


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
