"""Answer the requests of Triton's Python backend: the steps of the runtime around a model of Triton's own.

`pb_utils` is the module `triton_python_backend_utils`, which only a Triton server has; its documentation
describes each call that is made here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from edgeseg.engines.backend import Tensor
from edgeseg.errors import EdgesegError, EngineError
from edgeseg.frames.results import Result
from edgeseg.manifest import Manifest
from edgeseg.reading import parse_json, read_text
from edgeseg.runtime.engine import INPUT_NAME, Engine
from edgeseg.runtime.segmenter import Segmenter
from edgeseg.serving.tensors import frames_of, tensors_in, tensors_of
from edgeseg.serving.together import segmented
from edgeseg.spec import ModelSpec

SPEC_NAME = "spec.json"  # beside model.py
NETWORK = "network"  # the parameter that names Triton's model of the network


class Network:
    """A model of Triton's own as a backend, which other models of the server call; see `Backend`."""

    def __init__(self, pb_utils: Any, name: str, spec: ModelSpec) -> None:
        taken = spec.input
        self.built_on: Mapping[str, str] = {}
        shape = (taken.batch, taken.height, taken.width, taken.channels)
        self.inputs: Mapping[str, Tensor] = {INPUT_NAME: Tensor(taken.dtype, shape)}
        self.outputs = {output.name: Tensor(output.dtype, output.shape) for output in spec.outputs}
        self._pb_utils = pb_utils
        self._name = name

    def infer(self, image: NDArray[Any], /) -> dict[str, NDArray[Any]]:
        """Run one batch of images (N, H, W, C) and return the outputs by name."""
        utils = self._pb_utils
        response = utils.InferenceRequest(
            model_name=self._name,
            requested_output_names=list(self.outputs),
            inputs=[utils.Tensor(INPUT_NAME, image)],
            preferred_memory=utils.PreferredMemory(utils.TRITONSERVER_MEMORY_CPU, 0),
        ).exec()
        if response.has_error():
            raise EngineError(f"Triton's model {self._name} failed: {response.error().message()}")
        return {name: utils.get_output_tensor_by_name(response, name).as_numpy() for name in self.outputs}

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
        self._engine = Engine(manifest, Network(pb_utils, network, self.spec))
        self._segmenter = Segmenter(self._engine)

    def execute(self, requests: Sequence[Any]) -> list[Any]:
        """Answer requests, each by a response, or by an error of its own."""
        taken = [self._taken(request) for request in requests]
        frames = [frame for those in taken if isinstance(those, list) for frame in those]
        try:
            results = iter(segmented(self._segmenter, frames))
        except EdgesegError as error:
            taken = [error if isinstance(those, list) else those for those in taken]
            results = iter(())
        return [
            self._answer(request, [next(results) for _ in those])
            if isinstance(those, list)
            else self._refusal(those)
            for request, those in zip(requests, taken, strict=True)
        ]

    def close(self) -> None:
        """Refuse what comes from now on."""
        self._engine.close()

    def _taken(self, request: Any) -> list[NDArray[Any]] | EdgesegError:
        """Give the frames of a request, or why there are none."""
        tensors = {}
        for tensor in tensors_in(self.spec):
            sent = self._pb_utils.get_input_tensor_by_name(request, tensor.name)
            if sent is not None:
                tensors[tensor.name] = sent.as_numpy()
        try:
            return frames_of(tensors, self.spec.input)
        except EdgesegError as error:
            return error

    def _answer(self, request: Any, results: Sequence[Result]) -> Any:
        utils = self._pb_utils
        try:
            tensors = tensors_of(results, self.spec, list(request.requested_output_names()))
        except EdgesegError as error:
            return self._refusal(error)
        return utils.InferenceResponse([utils.Tensor(name, values) for name, values in tensors.items()])

    def _refusal(self, error: EdgesegError) -> Any:
        utils = self._pb_utils
        return utils.InferenceResponse(output_tensors=[], error=utils.TritonError(str(error)))
