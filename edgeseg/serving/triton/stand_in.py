"""Run a repository's `model.py` without a Triton server, by what of its Python backend it uses.

It keeps to the published interface of `triton_python_backend_utils`, and runs the network in ONNX Runtime on
the processor. A server batches, schedules and copies besides; nothing here says that it does so well.
"""

from __future__ import annotations

import json
import runpy
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgeseg.graph.running import Run
from edgeseg.serving.triton.front import MODULE_NAME, NETWORK, VERSION

MODULE = "triton_python_backend_utils"
CPU_DEVICE = (1, 0)  # in DLPack's numbers


class Tensor:
    """A tensor with its name."""

    def __init__(self, name: str, values: NDArray[Any]) -> None:
        self._name = name
        self._values = values

    def name(self) -> str:
        """Give its name."""
        return self._name

    def as_numpy(self) -> NDArray[Any]:
        """Give its values."""
        return self._values

    @staticmethod
    def from_dlpack(name: str, capsule: Any) -> Tensor:
        """Make one of DLPack's capsule."""
        values = SimpleNamespace(__dlpack__=lambda **how: capsule, __dlpack_device__=lambda: CPU_DEVICE)
        return Tensor(name, np.from_dlpack(values))

    def __dlpack__(self, **how: Any) -> Any:
        """Give its values to `from_dlpack`."""
        return self._values.__dlpack__(**how)

    def __dlpack_device__(self) -> tuple[int, int]:
        """Say that they are in the processor's memory."""
        return CPU_DEVICE


class TritonError:
    """Why a request failed, and whose fault it is."""

    INTERNAL = 0
    INVALID_ARG = 1

    def __init__(self, text: str, code: int = INTERNAL) -> None:
        self.text = text
        self._code = code

    def code(self) -> int:
        """Give whose fault it is."""
        return self._code

    def message(self) -> str:
        """Give the reason."""
        return self.text


class InferenceResponse(NamedTuple):
    """Tensors, or an error."""

    tensors: Sequence[Tensor] = ()
    failure: TritonError | None = None

    def has_error(self) -> bool:
        """Whether it is an error."""
        return self.failure is not None

    def error(self) -> TritonError | None:
        """Give the error."""
        return self.failure

    def output_tensors(self) -> Sequence[Tensor]:
        """Give the tensors."""
        return self.tensors


class Request(NamedTuple):
    """What a client sent."""

    tensors: Sequence[Tensor]
    wanted: Sequence[str]

    def requested_output_names(self) -> list[str]:
        """Name the outputs that it asks for."""
        return list(self.wanted)


class StandIn:
    """A repository's front model, loaded as the Python backend loads it.

    Args:
        folder: of the model, with `config.pbtxt` and the version `1/`.
        network: the name of the network's model, as `config.pbtxt` says it.
        run: the network.
    """

    def __init__(self, folder: Path, network: str, run: Run) -> None:
        self.image: NDArray[Any] | None = None  # what the network was given last
        self._network = network
        self._run = run
        self._utils = SimpleNamespace(
            Tensor=Tensor,
            TritonError=TritonError,
            InferenceRequest=self._request,
            InferenceResponse=_response,
            PreferredMemory=lambda kind, device: None,
            TRITONSERVER_MEMORY_CPU=0,
            get_input_tensor_by_name=lambda request, name: _named(request.tensors, name),
            get_output_tensor_by_name=lambda response, name: _named(response.tensors, name),
        )
        before = sys.modules.get(MODULE)
        sys.modules[MODULE] = self._utils  # type: ignore[assignment]  # as the backend's own is there for it
        try:
            loaded = runpy.run_path(str(folder / VERSION / MODULE_NAME))
        finally:
            sys.modules.pop(MODULE)
            if before is not None:
                sys.modules[MODULE] = before
        self._model = loaded["TritonPythonModel"]()
        config = {"parameters": {NETWORK: {"string_value": network}}}
        self._model.initialize(
            {"model_repository": str(folder), "model_version": VERSION, "model_config": json.dumps(config)}
        )

    def execute(
        self, requests: Sequence[Mapping[str, NDArray[Any]]], wanted: Sequence[str]
    ) -> list[InferenceResponse]:
        """Answer requests that come together, each of tensors by their names."""
        sent = [Request([Tensor(*one) for one in tensors.items()], wanted) for tensors in requests]
        answers: list[InferenceResponse] = self._model.execute(sent)
        return answers

    def close(self) -> None:
        """Let the model end."""
        self._model.finalize()

    def _request(
        self, model_name: str, requested_output_names: Sequence[str], inputs: Sequence[Tensor], **how: Any
    ) -> SimpleNamespace:
        """Make a request to a model of the server; its `exec` is answered by the network."""

        def answer() -> InferenceResponse:
            if model_name != self._network:
                return InferenceResponse((), TritonError(f"there is no model {model_name}"))
            (image,) = inputs
            self.image = np.array(image.as_numpy())
            outputs = self._run(image.as_numpy())
            return InferenceResponse([Tensor(name, outputs[name]) for name in requested_output_names])

        return SimpleNamespace(exec=answer)


def _response(output_tensors: Sequence[Tensor] = (), error: TritonError | None = None) -> InferenceResponse:
    return InferenceResponse(output_tensors, error)


def _named(tensors: Sequence[Tensor], name: str) -> Tensor | None:
    return next((tensor for tensor in tensors if tensor.name() == name), None)
