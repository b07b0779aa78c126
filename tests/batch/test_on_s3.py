"""Archives and results in S3, from a server that speaks its protocol, by processes and by actors of Ray."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

pytest.importorskip("pyarrow")

from edgeseg.batch import BatchSettings, run_batch
from edgeseg.batch.parts import PARTS
from edgeseg.batch.places import Stored, names_in, place_of
from edgeseg.errors import SinkError
from tests.batch.archives import rows_of, write_pictures
from tests.batch.stores import archive, download, local_rows, sorted_rows, upload

pytestmark = pytest.mark.minutes
REGION = "eu-central-1"


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    """Start a server that speaks S3's protocol, and give the address of an empty bucket in it."""
    beside = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "")))
    program = shutil.which("moto_server", path=beside)
    if program is None:
        pytest.skip("moto_server is not installed; run: pip install 'moto[s3,server]'")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [program, "-H", "127.0.0.1", "-p", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    told = {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": REGION,
    }
    deadline = time.monotonic() + 60
    while True:
        try:
            made = f"<CreateBucketConfiguration><LocationConstraint>{REGION}</LocationConstraint>"
            request = Request(
                f"{told['AWS_ENDPOINT_URL']}/archive",
                method="PUT",
                data=f"{made}</CreateBucketConfiguration>".encode(),
            )
            urlopen(request).close()
            break
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.1)
    with pytest.MonkeyPatch.context() as variables:
        for name, value in told.items():
            variables.setenv(name, value)
        yield "s3://archive"
    server.terminate()
    server.wait()


def test_a_run_on_s3_that_is_killed_is_gone_on_with(
    bucket: str, settings: BatchSettings, tmp_path: Path
) -> None:
    folder = archive(tmp_path / "in")
    write_pictures(folder / "more", 200)
    root = place_of(bucket)
    assert isinstance(root, Stored)
    upload(folder, root / "in")
    whole = local_rows(settings, folder, tmp_path / "out")
    command = [sys.executable, "-m", "edgeseg", "batch", str(settings.engine), f"{bucket}/in/**"]
    command += ["-o", f"{bucket}/out", "--workers", "2"]
    run = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not names_in(root / "out" / PARTS, ".parquet") and time.monotonic() < deadline:
        time.sleep(0.02)
    run.send_signal(signal.SIGKILL)
    run.wait()
    before = len(names_in(root / "out" / PARTS, ".parquet"))
    report = run_batch(settings, [f"{bucket}/in/**"], f"{bucket}/out", workers=2)
    assert report.done_before >= before >= 1
    assert sorted_rows(download(root / "out")) == whole
    again = run_batch(settings, [f"{bucket}/in/**"], f"{bucket}/out", workers=1)
    assert (again.frames, again.removed) == (0, 0)
    some = run_batch(settings, [f"{bucket}/in/**/3.png"], f"{bucket}/out", workers=1)
    assert (some.frames, some.removed > 0, some.kept) == (2, True, again.files - 2)
    assert sorted_rows(download(root / "out")) == whole


@pytest.mark.filterwarnings("ignore")  # Ray's own, of its libraries and sockets
def test_actors_of_ray_read_and_write_s3(bucket: str, settings: BatchSettings, tmp_path: Path) -> None:
    pytest.importorskip("ray")
    folder = archive(tmp_path / "in")
    root = place_of(bucket)
    assert isinstance(root, Stored)
    upload(folder, root / "ray")
    run_batch(settings, [f"{bucket}/ray"], f"{bucket}/by-ray", workers=2, ray="local")
    assert sorted_rows(download(root / "by-ray")) == local_rows(settings, folder, tmp_path / "out")


def test_a_bucket_that_is_not_there_is_one_line(bucket: str, settings: BatchSettings, tmp_path: Path) -> None:
    write_pictures(tmp_path, 1)
    with pytest.raises(SinkError, match="cannot write s3://nobodys/out/"):
        run_batch(settings, [str(tmp_path)], "s3://nobodys/out", workers=1)


def test_an_object_that_is_archived_is_a_row_until_it_is_given(
    bucket: str, settings: BatchSettings, tmp_path: Path
) -> None:
    write_pictures(tmp_path / "in", 3)
    for path in (tmp_path / "in").iterdir():
        headers = {"Content-Type": "image/png"}
        if path.name == "1.png":
            headers["x-amz-storage-class"] = "GLACIER"
        address = f"{os.environ['AWS_ENDPOINT_URL']}/archive/cold/{path.name}"
        urlopen(Request(address, path.read_bytes(), headers, method="PUT"), timeout=10).close()
    for _ in range(2):
        report = run_batch(settings, [f"{bucket}/cold"], tmp_path / "out", workers=1)
        assert (report.frames, report.errors, report.done_before) == (2, 1, 0)
    (error,) = (row["error"] for row in rows_of(tmp_path / "out") if row["error"])
    assert error.startswith("cannot read 1.png: ")
