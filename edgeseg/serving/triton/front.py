"""Answer the requests of Triton's Python backend: the steps of the runtime around a model of Triton's own.

`pb_utils` is the module `triton_python_backend_utils`, which only a Triton server has; its documentation
describes each call that is made here.
"""

from __future__ import annotations

import ctypes
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeseg.engines.backend import Tensor
from edgeseg.errors import EdgesegError, EngineError, UsageError
from edgeseg.manifest import Manifest
from edgeseg.reading import parse_json, read_text
from edgeseg.runtime.engine import INPUT_NAME, Engine
from edgeseg.runtime.segmenter import Segmenter
from edgeseg.serving.tensors import BYTES, TensorSpec, frames_of, tensors_in, tensors_of, tensors_out
from edgeseg.serving.together import Outcome, answered, told_as
from edgeseg.spec import ModelSpec

VERSION = "1"  # of a model's folder, as a build writes it
MODULE_NAME, SPEC_NAME = "model.py", "spec.json"  # in the folder of a version
NETWORK = "network"  # the parameter that names Triton's model of the network
NO_BYTES = (
    "this Triton's Python backend was compiled before numpy 2, and takes and gives no {}; use frame, and "
    "outputs of numbers, or a Triton newer than 24.11"
)

_TAKEN = b"used_dltensor"  # what DLPack calls a capsule whose tensor is another's now


class Network:
    """A model of Triton's own as a backend, which other models of the server call; see `Backend`.

    Args:
        version: of the model; no other is asked, since its results may mean something else.
    """

    def __init__(self, pb_utils: Any, name: str, version: int, spec: ModelSpec) -> None:
        taken = spec.input
        self.built_on: Mapping[str, str] = {}
        shape = (taken.batch, taken.height, taken.width, taken.channels)
        self.inputs: Mapping[str, Tensor] = {INPUT_NAME: Tensor(taken.dtype, shape)}
        self.outputs = {output.name: Tensor(output.dtype, output.shape) for output in spec.outputs}
        self._pb_utils = pb_utils
        self._name = name
        self._version = version

    def infer(self, image: NDArray[Any], /) -> dict[str, NDArray[Any]]:
        """Run one batch of images (N, H, W, C) and return the outputs by name."""
        utils = self._pb_utils
        response = utils.InferenceRequest(
            model_name=self._name,
            model_version=self._version,
            requested_output_names=list(self.outputs),
            inputs=[to_triton(utils, INPUT_NAME, image)],
            preferred_memory=utils.PreferredMemory(utils.TRITONSERVER_MEMORY_CPU, 0),
        ).exec()
        if response.has_error():
            reason = response.error().message()
            raise EngineError(f"Triton's model {self._name}, version {self._version}, failed: {reason}")
        return {
            name: np.from_dlpack(utils.get_output_tensor_by_name(response, name)) for name in self.outputs
        }

    def close(self) -> None:
        """Do nothing: the model is Triton's."""


class Front:
    """What `model.py` of a repository does.

    Args:
        args: as Triton gives them to `initialize`.
        pb_utils: the module `triton_python_backend_utils`.

    Raises:
        SpecError, EngineError: if the repository is not what `edgeseg build` wrote.
    """

    def __init__(self, args: Mapping[str, str], pb_utils: Any) -> None:
        folder = Path(args["model_repository"]) / args["model_version"]
        text = read_text(folder / SPEC_NAME, EngineError)
        self.spec = ModelSpec.from_json_value(parse_json(text, EngineError, SPEC_NAME))
        network = json.loads(args["model_config"])["parameters"][NETWORK]["string_value"]
        manifest = Manifest("triton", "", "fp32", "server", self.spec, model_sha256="", files={})
        self._pb_utils = pb_utils
        self._has_bytes = _passes_bytes(pb_utils)
        if not self._has_bytes:
            pb_utils.deserialize_bytes_tensor = _Unread
        self._engine = Engine(manifest, Network(pb_utils, network, int(args["model_version"]), self.spec))
        self._segmenter = Segmenter(self._engine)

    def execute(self, requests: Sequence[Any]) -> list[Any]:
        """Answer requests, each by a response, or by an error of its own."""
        taken = [self._taken(request) for request in requests]
        found = iter(answered(self._segmenter, [those for those in taken if isinstance(those, list)]))
        return [
            self._answer(request, next(found) if isinstance(those, list) else those)
            for request, those in zip(requests, taken, strict=True)
        ]

    def close(self) -> None:
        """Refuse what comes from now on."""
        self._engine.close()

    def _taken(self, request: Any) -> list[NDArray[Any]] | EdgesegError:
        """Give the frames of a request, or why there are none."""
        tensors = {}
        try:
            for tensor in tensors_in(self.spec):
                sent = self._pb_utils.get_input_tensor_by_name(request, tensor.name)
                if sent is not None:
                    self._refuse_bytes([tensor])
                    tensors[tensor.name] = (
                        sent.as_numpy() if tensor.datatype == BYTES else np.from_dlpack(sent)
                    )
            return frames_of(tensors, self.spec.input)
        except Exception as error:
            return told_as(error)

    def _answer(self, request: Any, found: Outcome) -> Any:
        if isinstance(found, EdgesegError):
            return self._refusal(found)
        utils = self._pb_utils
        wanted = list(request.requested_output_names())
        try:
            self._refuse_bytes([tensor for tensor in tensors_out(self.spec) if tensor.name in wanted])
            tensors = tensors_of(found, self.spec, wanted)
            return utils.InferenceResponse([to_triton(utils, *tensor) for tensor in tensors.items()])
        except Exception as error:
            return self._refusal(told_as(error))

    def _refusal(self, error: EdgesegError) -> Any:
        """Say why there is no result, and whether that is the client's fault, as a status of 400, or ours."""
        utils = self._pb_utils
        kind = utils.TritonError.INTERNAL if isinstance(error, EngineError) else utils.TritonError.INVALID_ARG
        return utils.InferenceResponse(output_tensors=[], error=utils.TritonError(str(error), kind))

    def _refuse_bytes(self, tensors: Sequence[TensorSpec]) -> None:
        names = [tensor.name for tensor in tensors if tensor.datatype == BYTES]
        if names and not self._has_bytes:
            raise UsageError(NO_BYTES.format(", ".join(names)))


def to_triton(pb_utils: Any, name: str, values: NDArray[Any]) -> Any:
    """Make a tensor of an array.

    Numbers go by DLPack: a Python backend that was compiled before numpy 2 finds arrays of numpy 2 empty.
    """
    if values.dtype == np.object_ or not values.size:  # what is empty, is found so
        return pb_utils.Tensor(name, values)
    flat = np.require(values.ravel(), requirements="W")
    own = flat.reshape(values.shape)  # with the strides that Triton expects of axes of 1, too
    capsule = own.__dlpack__()
    tensor = pb_utils.Tensor.from_dlpack(name, capsule)
    # Triton names what it took otherwise than DLPack has it, of which numpy would complain for every tensor.
    ctypes.pythonapi.PyCapsule_SetName(ctypes.py_object(capsule), _TAKEN)
    return tensor


def _passes_bytes(pb_utils: Any) -> bool:
    """Whether the backend knows the arrays of this numpy, as it must where DLPack does not help."""
    sent = np.arange(2, dtype=np.uint8)
    return np.array_equal(to_triton(pb_utils, "probe", sent).as_numpy(), sent)


class _Unread:
    """Stands for BYTES that the backend cannot read: its own function ends the process with an exception."""

    def __init__(self, encoded: Any) -> None:
        """Take what was sent."""

    def reshape(self, shape: Sequence[int]) -> NDArray[np.object_]:
        """Give as many as were sent, of nothing."""
        return np.full(shape, b"", np.object_)
