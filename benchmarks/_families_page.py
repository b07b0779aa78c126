"""Keep the table of `benchmarks.families` on its page, below the machine and the libraries' versions."""

from __future__ import annotations

import platform
import re
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import edgeseg
from edgeseg.machine import processor, this_machine

BEGINNING = "Measured with edgeseg "  # from here on, the page is written by the program
CELLS_OF_KEY = 3  # family, architecture, checkpoint
TOLD_UNITS = re.compile(r"avx2|avx512f|avx512_vnni|avx_vnni|amx_int8|asimddp|i8mm")  # int8 depends on them
LIBRARIES = (
    "torch",
    "torchvision",
    "segmentation-models-pytorch",
    "timm",
    "transformers",
    "monai",
    "dynamic-network-architectures",
    "mmsegmentation",
    "mmdet",
    "onnx",
    "onnxruntime",
    "numpy",
    "opencv-python-headless",
)

Key = tuple[str, ...]
"""Family, architecture and checkpoint of a row."""


def write_rows(
    page: Path, headings: Sequence[str], rows: Mapping[Key, Sequence[str]], order: Sequence[Key]
) -> None:
    """Put rows on a page in the place of those of the same key; others stay, as long as they are in `order`.

    Args:
        page: Markdown.
        headings: of the columns.
        rows: all cells of the rows that were measured, by key.
        order: all keys that there are.
    """
    before, _, _ = page.read_text(encoding="utf-8").partition(BEGINNING)
    known = {**read_rows(page), **rows}
    kept = [known[key] for key in order if key in known]
    page.write_text(f"{before}{_measured_on()}\n\n{table(headings, kept)}\n", encoding="utf-8")


def read_rows(page: Path) -> dict[Key, list[str]]:
    """Read the rows that stand on a page, all their cells by their key."""
    _, _, measured = page.read_text(encoding="utf-8").partition(BEGINNING)
    lines = [line for line in measured.splitlines() if line.startswith("| ")]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {tuple(row[:CELLS_OF_KEY]): row for row in rows[2:]}  # below headings and dashes


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write a Markdown table."""
    return "\n".join(line(cells) for cells in (headings, ["---"] * len(headings), *rows))


def line(cells: Sequence[str]) -> str:
    """Write a row of a Markdown table."""
    return "| " + " | ".join(cell.replace("|", "/") for cell in cells) + " |"


def _measured_on() -> str:
    """Say which machine this is, and which versions are installed."""
    units = [unit for unit in processor()["vector_units"].split() if TOLD_UNITS.fullmatch(unit)]
    machine = this_machine()
    cpu = f"{machine.cpu} ({', '.join(units)}), {machine.logical_cores} cores"
    system = f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"
    versions = ", ".join(f"{name} {found}" for name in LIBRARIES if (found := _version(name)) is not None)
    return f"{BEGINNING}{edgeseg.__version__} on: {cpu}; {system}; {versions}."


def _version(library: str) -> str | None:
    try:
        return version(library)
    except PackageNotFoundError:
        return None
