"""Start the Triton server of NVIDIA's wheel nvidia-pytriton on a model repository.

`.ci/triton FOLDER` unpacks it. It has Triton's Python backend and no other: there a network that a repository
has for the ONNX Runtime backend is computed by a `model.py` of this file, around the same `model.onnx`.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import site
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.error import URLError
from urllib.request import urlopen

from tests.servers.ports import free_port

ROOT = Path(__file__).parents[3]
UNPACKED = Path(os.environ.get("EDGESEG_TRITON", ROOT / "build" / "triton"))
STARTED_WITHIN_S, ENDED_WITHIN_S = 120.0, 60.0
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"

NETWORK = '''
"""Compute a repository's model.onnx, and write down whatever is asked."""

from pathlib import Path

import triton_python_backend_utils as pb_utils  # first: it says where the others are

import numpy as np
import onnxruntime

from edgeseg.serving.triton.front import to_triton


class TritonPythonModel:
    def initialize(self, args):
        self.folder = Path(args["model_repository"]) / args["model_version"]
        cpu = ["CPUExecutionProvider"]
        self.session = onnxruntime.InferenceSession(self.folder / "model.onnx", providers=cpu)
        self.names = [output.name for output in self.session.get_outputs()]

    def execute(self, requests):
        answers = []
        for request in requests:
            image = np.from_dlpack(pb_utils.get_input_tensor_by_name(request, "image"))
            with (self.folder / "asked").open("ab") as asked:
                asked.write(np.ascontiguousarray(image).tobytes())
            outputs = dict(zip(self.names, self.session.run(None, {"image": image})))
            tensors = [to_triton(pb_utils, name, outputs[name]) for name in self.names]
            answers.append(pb_utils.InferenceResponse(tensors))
        return answers
'''


def missing() -> str:
    """Say why no server can be started here, or nothing."""
    if not (UNPACKED / "pytriton").is_dir():
        return f"there is no Triton server; run: .ci/triton {UNPACKED}"
    return "" if _stub().exists() else f"Triton's Python backend is not for Python {PYTHON}"


class Addresses(NamedTuple):
    """Where clients find a server."""

    http: str
    grpc: str


def compute_in_python(network: Path) -> None:
    """Give a network's model, a folder of a repository, the `model.py` above, and nothing else."""
    config = network / "config.pbtxt"
    config.write_text(config.read_text().replace('backend: "onnxruntime"', 'backend: "python"'))
    for version in network.glob("[0-9]*"):
        (version / "model.py").write_text(NETWORK)


@contextmanager
def served(repository: Path, work: Path, *, before: Sequence[Path] = ()) -> Iterator[Addresses]:
    """Serve what `compute_in_python` changed.

    Args:
        work: an empty folder; the server's words are in `work/log`.
        before: folders of Python packages that go before the others.
    """
    ports = [free_port() for _ in range(3)]
    command = [
        str(UNPACKED / "pytriton/tritonserver/bin/tritonserver"),
        f"--model-repository={repository}",
        f"--backend-directory={_backends(work / 'backends', before)}",
        f"--http-port={ports[0]}",
        f"--grpc-port={ports[1]}",
        f"--metrics-port={ports[2]}",
        "--model-control-mode=explicit",
        "--load-model=*",
        f"--exit-timeout-secs={ENDED_WITHIN_S // 4:.0f}",
    ]
    environment = os.environ | {"LD_LIBRARY_PATH": str(UNPACKED / "nvidia_pytriton.libs")}
    with (work / "log").open("w") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=log, env=environment, cwd=work, start_new_session=True
        )
        try:
            _wait_until_ready(process, ports[0], work / "log")
            yield Addresses(f"localhost:{ports[0]}", f"localhost:{ports[1]}")
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(ENDED_WITHIN_S)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def _stub() -> Path:
    return UNPACKED / "pytriton/tritonserver/python_backend_stubs" / PYTHON / "triton_python_backend_stub"


def _backends(folder: Path, before: Sequence[Path]) -> Path:
    """Lay out the Python backend, with the stub of this Python, whose modules it does not find by itself."""
    shutil.copytree(UNPACKED / "pytriton/tritonserver/backends/python", folder / "python")
    stub = shutil.copy(_stub(), folder / "python")
    Path(stub).chmod(0o755)
    paths = [*map(str, before), str(ROOT), *site.getsitepackages()]
    utilities = folder / "python/triton_python_backend_utils.py"
    utilities.write_text(f"import sys\nsys.path[1:1] = {paths!r}\n" + utilities.read_text())
    return folder


def _wait_until_ready(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    until = time.monotonic() + STARTED_WITHIN_S
    while time.monotonic() < until:
        assert process.poll() is None, _told(log)
        try:
            with urlopen(f"http://localhost:{port}/v2/health/ready"):
                return
        except (URLError, ConnectionError):
            time.sleep(0.2)
    raise AssertionError(_told(log))


def _told(log: Path) -> str:
    lines = log.read_text().splitlines()
    return "\n".join(line for line in lines if not re.match(r"I\d", line))
