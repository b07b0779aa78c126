"""Ask a library which operators it takes, and turn that into the tables of edgeseg/targets/operators/.

    python -m tools.targets.operators onnxruntime          # write the table of the version that is installed
    python -m tools.targets.operators onnxruntime --check  # exit with 1 where it differs from what is written

It wants onnx and the library, in an environment of their own: tables are of the lowest version that edgeseg
admits, as `.ci/matrix` installs it. What the library takes is seen on ONNX's own node test cases, one of an
operator being enough; an operator without a case is not refused. Of ONNX Runtime its kernels say the types of
first inputs, too.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import numpy as np
import onnx

from edgeseg.targets.operator_table import FOLDER, OperatorTable, TypedOperators
from tools.targets.libraries import LIBRARIES, Library
from tools.targets.versions import version_faults

NEWEST_OPSET = 21  # of the cases: the highest that all of the libraries take
_MOST_CASES = 12  # of one operator that are tried
_READ_BY_ALL = 8  # IR version


def main() -> int:
    """Write the table of a library, or compare it with the one that is written."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("library", choices=tuple(LIBRARIES))
    parser.add_argument("--check", action="store_true")
    asked = parser.parse_args()
    library = LIBRARIES[asked.library]
    made, path = table_of(library), FOLDER / library.file
    if not asked.check:
        path.write_text(made.to_json())
        return 0
    written = OperatorTable.read(path)
    if made.title != written.title:
        print(f"{made.title}: not compared, for the table is of {written.title}")
        return 0
    changed = differences(written.types_of, made.types_of) + list(version_faults(asked.library, library))
    said = f"{made.title}: {len(made.types_of)} operators, and the numbers of versions"
    print(f"{said}: as written" if not changed else f"{said}: other than written:")
    print(*changed, sep="\n", end="\n" if changed else "")
    return bool(changed)


def table_of(library: Library) -> OperatorTable:
    """Make the table of the library that is installed."""
    cases = _cases()
    taken = {name for name, models in cases.items() if any(map(_accepts(library), models))}
    by_types: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for name in sorted(taken | _without_cases(cases)):
        by_types[library.types_of(name)].append(name)
    typed = tuple(TypedOperators(types, tuple(names)) for types, names in sorted(by_types.items()))
    return OperatorTable(f"{library.title} {library.version()}", library.source, typed)


def differences(written: Mapping[str, frozenset[str]], found: Mapping[str, frozenset[str]]) -> list[str]:
    """Name the operators of which two tables say something else."""
    names = sorted({*written, *found})
    return [
        f"  {name}: written {_told(written.get(name))}, found {_told(found.get(name))}"
        for name in names
        if written.get(name) != found.get(name)
    ]


def _told(types: frozenset[str] | None) -> str:
    return "refused" if types is None else " ".join(sorted(types)) or "any type"


def _accepts(library: Library) -> Callable[[onnx.ModelProto], bool]:
    def accepts(model: onnx.ModelProto) -> bool:
        try:
            library.open(model.SerializeToString())
        except Exception as error:  # whatever the library raises of what it does not take
            return library.is_of_parameters(str(error))
        return True

    return accepts


def _cases() -> dict[str, list[onnx.ModelProto]]:
    """Collect ONNX's own cases of single nodes of its own domain, by operator: as networks have them, too.

    There, all inputs but the first are constants, such as the weights of a normalisation.
    """
    from onnx.backend.test.case.node import collect_testcases

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cases = collect_testcases(None)
    found: dict[str, list[onnx.ModelProto]] = defaultdict(list)
    for case in cases:
        model = case.model
        if case.kind != "node" or model is None or len(model.graph.node) != 1:
            continue
        (node,) = model.graph.node
        if node.domain or {entry.domain for entry in model.opset_import} - {""}:
            continue
        if len(found[node.op_type]) < _MOST_CASES:
            fitted = _fitted(model)
            values = case.data_sets[0][0] if case.data_sets else []
            found[node.op_type] += [_with_constants(fitted, values), fitted]
    return found


def _without_cases(cases: Collection[str]) -> set[str]:
    """Name the operators that ONNX has no case of: nobody knows, so that they are not refused."""
    names = {schema.name for schema in onnx.defs.get_all_schemas() if not schema.domain}
    return {name for name in names if name not in cases and onnx.defs.has(name, NEWEST_OPSET, "")}


def _fitted(model: onnx.ModelProto) -> onnx.ModelProto:
    fitted = onnx.ModelProto()
    fitted.CopyFrom(model)
    fitted.ir_version = min(fitted.ir_version, _READ_BY_ALL)
    fitted.opset_import[0].version = min(fitted.opset_import[0].version, NEWEST_OPSET)
    return fitted


def _with_constants(model: onnx.ModelProto, values: Sequence[Any]) -> onnx.ModelProto:
    """Turn all inputs but the first into constants, as far as the case gives their values."""
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    for entry, value in list(zip(model.graph.input, values, strict=False))[1:]:
        if isinstance(value, np.ndarray):
            changed.graph.initializer.append(onnx.numpy_helper.from_array(value, entry.name))
            changed.graph.input.remove(entry)
    return changed


if __name__ == "__main__":
    sys.exit(main())
