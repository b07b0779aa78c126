"""Trace a program to an ONNX graph of standard operators, quietly; errors name the user's line."""

from __future__ import annotations

import logging
import re
import traceback
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import onnx_ir as ir
import torch
from torch import Tensor, nn

from edgeseg.errors import EdgesegError, ExportError
from edgeseg.export.lowering import OPSET, translation_table
from edgeseg.spec import Lowering

FOREIGN_PACKAGES = ("torch", "onnxscript", "onnx_ir", "edgeseg/export")  # their frames are not the user's
MESSAGE_LENGTH = 200  # characters of a foreign message that an error quotes


def run_eagerly(program: nn.Module, image: Tensor) -> tuple[Tensor, ...]:
    """Run the program in PyTorch.

    Args:
        image: (N, H, W, C).

    Raises:
        ExportError: naming the line of the network that failed.
    """
    try:
        with torch.inference_mode():
            outputs: tuple[Tensor, ...] = program(image)
    except EdgesegError:
        raise
    except Exception as error:
        size = "x".join(map(str, (image.shape[0], image.shape[3], *image.shape[1:3])))
        raise ExportError(
            f"the network fails on a {size} image{_place(error)}: {_summary(error)}{_channel_advice(error)}"
        ) from error
    return outputs


def trace(program: nn.Module, image: Tensor, output_names: Sequence[str], lowering: Lowering) -> ir.Model:
    """Trace the program into ONNX nodes; batch norm is folded and constants are computed.

    Args:
        program: in evaluation mode; takes `image` and returns one tensor for each of `output_names`.
        image: an example of the input, whose shape the graph is made for.

    Raises:
        ExportError: if PyTorch cannot trace the network, or has no ONNX translation for one of its operators.
    """
    with quiet():
        try:
            with torch.no_grad():
                exported = torch.export.export(program, (image,), strict=False)
        except Exception as error:
            raise ExportError(
                f"torch.export cannot trace the network{_place(error)}: {_summary(error)}; "
                "compute with tensors there (torch.where instead of if, no .item(), .numpy() or .tolist())"
            ) from error
        try:
            onnx_program: Any = torch.onnx.export(
                exported,
                dynamo=True,
                opset_version=OPSET,
                input_names=["image"],
                output_names=list(output_names),
                custom_translation_table=translation_table(lowering),
                verbose=False,
            )
        except Exception as error:
            raise ExportError(_untranslated(error)) from error
    model: ir.Model = onnx_program.model
    return model


@contextmanager
def quiet() -> Iterator[None]:
    """Keep the exporter's prints, warnings and log lines from the user."""
    disabled = logging.root.manager.disable
    with warnings.catch_warnings(), redirect_stdout(StringIO()), redirect_stderr(StringIO()):
        warnings.simplefilter("ignore")
        logging.disable(logging.CRITICAL)
        try:
            yield
        finally:
            logging.disable(disabled)


def _place(error: BaseException) -> str:
    """Name the innermost line of the user's code, as " at net.py:12 (forward)"; empty if there is none."""
    for cause in (error.__cause__, error):
        frames = traceback.extract_tb(cause.__traceback__) if cause is not None else []
        for frame in reversed(frames):
            file = Path(frame.filename).as_posix()
            if not any(f"/{package}/" in file for package in FOREIGN_PACKAGES):
                return f" at {Path(frame.filename).name}:{frame.lineno} ({frame.name})"
    return ""


def _summary(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = lines[0].rstrip(".") if lines else type(error).__name__
    return text if len(text) <= MESSAGE_LENGTH else text[:MESSAGE_LENGTH] + "…"


def _channel_advice(error: BaseException) -> str:
    """Say how to fix it where the network takes another number of channels than it is given."""
    counts = re.search(r"to have (\d+) channels, but got (\d+) channels", str(error))
    if counts is None:
        return ""
    wanted, got = counts.groups()
    if (wanted, got) == ("1", "3"):
        return (
            "; if it takes grey images, say --channel-order grey, or return "
            'Network(module, "semantic", channel_order="grey")'
        )
    if (wanted, got) == ("3", "1"):
        return "; it takes colours: say --channel-order rgb, or bgr"
    return (
        f"; if it takes images of {wanted} channels, say --channels {wanted}, or return "
        f'Network(module, "semantic", channels={wanted}, ...)'
    )


def _untranslated(error: BaseException) -> str:
    causes: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None:
        causes.append(cause)
        cause = cause.__cause__
    for text in map(str, reversed(causes)):
        if operator := re.search(r"OpOverload\(op='([^']+)'", text):
            return (
                f"PyTorch has no ONNX translation for {operator[1]}; "
                "write that step of the network with other operators"
            )
    return f"PyTorch cannot translate the network to ONNX: {_summary(causes[-1])}"
