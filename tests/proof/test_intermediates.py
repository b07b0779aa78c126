"""A detector whose decisions tie is proven by its intermediate values; a changed weight is found."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from onnx import numpy_helper

from edgeseg.engines.backend import Backend, open_backend
from edgeseg.engines.building.build import build_engine
from edgeseg.engines.building.verification import verify_engine
from edgeseg.engines.request import Request
from edgeseg.errors import ParityError
from edgeseg.graph.golden.golden import Golden
from edgeseg.graph.passes.intermediates import ExposeIntermediates, intermediate_values
from edgeseg.graph.passes.sequence import changed
from edgeseg.graph.portable import PortableModel
from edgeseg.graph.running import open_run
from edgeseg.intermediates import intermediate_names
from edgeseg.manifest import Manifest
from edgeseg.models.network import Network
from edgeseg.proof.intermediates import MAX_INTERMEDIATE_ERROR, IntermediatesProof
from edgeseg.proof.report import ParityReport
from edgeseg.proof.verify import intermediates_prover, verify, verify_model
from edgeseg.scenes.pictures import pictures
from tests.export.small_networks import SIZE_HW, mask_rcnn
from tests.exported_models import ExportedModels
from tests.graph import small_graphs as graphs

LOWERINGS = ("onnx", "dense")
KEPT = {"score_threshold": 0.1, "max_detections": 20}
ONE_THREAD = Request(threads=1)
Change = Callable[[onnx.ModelProto], None]


def undecided() -> Network:
    """Make a detector that finds every anchor equally likely to hold something, as if it knew nothing."""
    network = mask_rcnn()
    with torch.no_grad():
        network.module.rpn.head.cls_logits.weight.zero_()
        network.module.rpn.head.cls_logits.bias.fill_(0.5)
    return network


@pytest.fixture(scope="module", params=LOWERINGS)
def tied(request: pytest.FixtureRequest, exported: ExportedModels) -> Path:
    return exported(undecided, lowering=request.param, **KEPT).path


def test_the_note_says_that_decisions_tie_and_how_well_the_intermediate_values_agree(tied: Path) -> None:
    report = verify_model(tied)
    assert report.passed
    assert report.figures[MAX_INTERMEDIATE_ERROR] < 1e-4
    assert report.figures["ties"] > 0
    for words in (
        "every intermediate value agrees",
        "decisions tie within rounding",
        "anchors at the cut",
        "not trained",
    ):
        assert words in report.notes[-1]


def test_the_intermediate_values_stay_inside_the_graph(tied: Path) -> None:
    portable = PortableModel.read(tied)
    model, spec = portable.model, portable.spec
    assert [output.name for output in model.graph.outputs] == [output.name for output in spec.outputs]
    wanted = set(intermediate_names(levels=5))
    found = {value.name for value in intermediate_values(model)}
    assert wanted - found in (set(), {name for name in wanted if name.startswith("detections.")})
    assert len(portable.golden.to_json()) < 80_000


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
def test_an_engine_of_it_is_built_and_proves_itself_later(tied: Path, backend: str, tmp_path: Path) -> None:
    pytest.importorskip(backend)
    folder = tmp_path / "engine"
    built = build_engine(tied, folder, request=Request(backend=backend, threads=1))
    assert built.parity.passed
    assert MAX_INTERMEDIATE_ERROR in built.parity.figures
    again = verify_engine(folder)
    assert again.passed
    assert again.figures["matched"] == again.figures["detections"] > 0
    assert "intermediate values were proven when it was built" in again.notes[-1]
    assert verify_engine(folder, reference=tied).passed


class Blurred:
    """An engine whose masks are not those of its boxes, as a faulty kernel's."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self.built_on = backend.built_on

    def infer(self, image: NDArray[Any], /) -> dict[str, NDArray[Any]]:
        outputs = self._backend.infer(image)
        blur = {"masks": np.float32(0.9)}  # parts of the graph, which builds time for themselves, have none
        return {name: value * blur.get(name, 1) for name, value in outputs.items()}

    def close(self) -> None:
        self._backend.close()


def test_a_wrong_engine_of_it_is_refused_by_the_value_that_differs(tied: Path, tmp_path: Path) -> None:
    def open_blurred(folder: Path, manifest: Manifest) -> Blurred:
        return Blurred(open_backend(folder, manifest))

    with pytest.raises(ParityError, match=r"the masks of the same boxes differ by 0\.\d+ of the largest"):
        build_engine(tied, tmp_path / "engine", open_engine=open_blurred, request=ONE_THREAD)
    assert not list(tmp_path.iterdir())


def node_of(model: onnx.ModelProto, op_type: str, which: int = 0) -> onnx.NodeProto:
    return [node for node in model.graph.node if node.op_type == op_type][which]


def set_input(model: onnx.ModelProto, node: onnx.NodeProto, place: int, value: NDArray[Any]) -> None:
    """Give one node another constant; others may share the one it had."""
    name = f"changed.{node.name}.{place}"
    node.input[place] = name
    model.graph.initializer.append(numpy_helper.from_array(value, name))


def change_weight(part: str, factor: float) -> Change:
    """Multiply the largest number of a layer's weight."""

    def change(model: onnx.ModelProto) -> None:
        tensor = next(t for t in model.graph.initializer if t.name.endswith(part))
        weight = numpy_helper.to_array(tensor).copy()
        weight.flat[np.abs(weight).argmax()] *= factor
        tensor.CopyFrom(numpy_helper.from_array(weight, tensor.name))

    return change


def scale_weight(part: str, factor: float) -> Change:
    """Multiply all of a layer's weight."""

    def change(model: onnx.ModelProto) -> None:
        tensor = next(t for t in model.graph.initializer if t.name.endswith(part))
        weight = numpy_helper.to_array(tensor) * np.float32(factor)
        tensor.CopyFrom(numpy_helper.from_array(weight, tensor.name))

    return change


def swap_classes(model: onnx.ModelProto) -> None:
    tensor = next(t for t in model.graph.initializer if t.name.endswith("cls_score.weight"))
    weight = numpy_helper.to_array(tensor)[[0, 2, 1]]
    tensor.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(weight), tensor.name))


def shift_anchors(model: onnx.ModelProto) -> None:
    tensor = next(t for t in model.graph.initializer if len(t.dims) == 2 and t.dims[1] == 4)
    tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor) + np.float32(1), tensor.name))


def other_iou(which: int, threshold: float) -> Change:
    def change(model: onnx.ModelProto) -> None:
        suppression = node_of(model, "NonMaxSuppression", which)
        set_input(model, suppression, 3, np.array([threshold], np.float32))

    return change


def coarser_samples(which: int) -> Change:
    def change(model: onnx.ModelProto) -> None:
        for node in [node for node in model.graph.node if node.op_type == "RoiAlign"][4 * which :][:4]:
            next(a for a in node.attribute if a.name == "sampling_ratio").i = 1

    return change


def choose_otherwise(producing: str) -> Change:
    """Take the worst instead of the best."""

    def change(model: onnx.ModelProto) -> None:
        node = next(node for node in model.graph.node if producing in node.output)
        next(a for a in node.attribute if a.name == "largest").i = 0

    return change


def fewer_boxes(model: onnx.ModelProto) -> None:
    """Drop proposals behind the first ones, as a node with a lower limit would."""
    suppression = node_of(model, "NonMaxSuppression")
    set_input(model, suppression, 2, np.array([3], np.int64))


def lower_threshold(model: onnx.ModelProto) -> None:
    (node,) = (n for n in model.graph.node if n.op_type == "Greater" and n.input[0] == "heads.probabilities")
    set_input(model, node, 1, np.array(0.05, np.float32))


CHANGES: dict[str, tuple[Change, str]] = {
    "first convolution": (change_weight("body.conv1.weight", -3.0), "the feature maps of level 0 differ"),
    "objectness": (change_weight("cls_logits.bias", 1.01), "the objectness of level 0 differ"),
    "anchor deltas": (change_weight("rpn.head.bbox_pred.weight", 2.0), "the proposals' deltas of level"),
    "box head": (change_weight("box_head.fc6.weight", -2.0), "the class logits of the same proposals differ"),
    "swapped classes": (swap_classes, "the class logits of the same proposals differ"),
    "box deltas": (scale_weight("box_predictor.bbox_pred.weight", 1.01), "the box deltas of the same"),
    "mask head": (change_weight("mask_head.0.0.weight", -3.0), "the masks of the same boxes differ"),
    "anchors": (shift_anchors, "the anchors of level 0 are moved by other deltas, up to 1 px off"),
    "overlap of anchors": (other_iou(0, 0.5), "suppression among the anchors of level"),
    "overlap of detections": (other_iou(1, 0.55), "suppression among the detections"),
    "boxes kept": (fewer_boxes, "suppression among the anchors of level"),
    "samples of the box head": (coarser_samples(0), "the class logits of the same proposals differ"),
    "samples of the mask head": (coarser_samples(1), "the masks of the same boxes differ"),
    "best proposals": (choose_otherwise("rpn.best"), "the proposals are not in order|leave out a better"),
    "best pairs": (choose_otherwise("heads.chosen"), "pairs of proposal and class (are not|leave out)"),
    "score threshold": (lower_threshold, "the detections pass another score"),
}


@pytest.fixture(scope="module")
def golden_and_model(exported: ExportedModels) -> tuple[Path, Golden]:
    path = exported(undecided, **KEPT).path
    return path, PortableModel.read(path).golden


def proof_of(path: Path) -> IntermediatesProof:
    return intermediates_prover(PortableModel.read(path))(False)


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_found_in_its_value(
    change: str, golden_and_model: tuple[Path, Golden], tmp_path: Path
) -> None:
    path, golden = golden_and_model
    apply, message = CHANGES[change]
    model = onnx.load(path)
    apply(model)
    onnx.save(model, tmp_path / "changed.onnx")
    assert not proof_of(path).failures
    (failure,) = proof_of(tmp_path / "changed.onnx").failures[:1]
    assert re.search(message, failure), failure
    report = verify(
        open_run(tmp_path / "changed.onnx"),
        PortableModel.read(path).spec,
        golden,
        prove=intermediates_prover(PortableModel.read(tmp_path / "changed.onnx")),
    )
    assert not report.passed


def test_other_detections_without_a_tie_are_other_detections() -> None:
    report = ParityReport("instance", 1, False, {"detections": 3}, ("3 of 3 detections missed",))
    settled = IntermediatesProof(errors={"maps": 1e-7}).settle(report)
    assert settled.failures[-1].endswith("no decision ties, yet the detections differ")
    tied = IntermediatesProof(errors={"maps": 1e-7})
    tied.ties["ranks of anchors"] = 4
    assert tied.settle(report).passed


def test_a_lowered_threshold_shows_candidates_of_any_score(golden_and_model: tuple[Path, Golden]) -> None:
    model = PortableModel.read(golden_and_model[0]).model
    images = pictures((0,), SIZE_HW)
    counts = [
        len(graphs.run(changed(model, ExposeIntermediates(any_score=any_score)).model, images)["scores"][0])
        for any_score in (False, True)
    ]
    assert counts[0] < counts[1] == 20


def test_the_errors_of_a_reference_and_of_what_it_proves_add_up() -> None:
    first, second = (
        IntermediatesProof(errors={"maps": 1e-7}),
        IntermediatesProof(["wrong"], {"maps": 2e-7, "masks": 1e-6}),
    )
    first.ties["ranks of anchors"] = 4
    joined = first.followed_by(second)
    assert joined.failures == ["wrong"]
    assert joined.errors["maps"] == pytest.approx(3e-7)
    assert joined.errors["masks"] == 1e-6
    assert joined.ties.total() == 4
