"""A node is of the module that its weights are of, in whatever type they are stored."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from edgeseg.graph.modules import count_to_module, module_of, stored
from edgeseg.graph.passes.catalogue import applied
from edgeseg.graph.passes.split_concats import SplitConcats
from edgeseg.graph.portable import PortableModel
from edgeseg.graph.precision.convert import Calibration
from edgeseg.manifest import MODULE_KEY
from edgeseg.nodes.table import AROUND, GraphNode
from edgeseg.nodes.work import CONVOLUTIONS
from edgeseg.scenes.pictures import pictures
from edgeseg.spec import Precision
from tests.export import small_networks
from tests.exported_models import ExportedModels
from tests.graph.precision.conversions import in_fp16, in_int8

ANY_DROP = 100.0  # random weights say nothing of accuracy
CALIBRATION = Calibration(pictures(range(2), small_networks.SIZE_HW), max_drop=ANY_DROP)


def constant(name: str, dtype: type[np.generic] = np.float32) -> ir.Value:
    tensor = ir.tensor(np.zeros((2, 3, 1, 1), dtype), name=name)
    value = ir.Value(name=name, const_value=tensor)
    ir.Graph([], [], nodes=[], initializers=[value], name="g")
    return value


def folded(weight: ir.Value) -> ir.Node:
    """Make a convolution that a normalisation was folded into, and that is said to be of its module."""
    node = ir.node("Conv", [ir.Value(name="x"), weight])
    node.metadata_props[MODULE_KEY] = "layer1.bn1"
    return node


@pytest.mark.parametrize("added", ["", ".int8", ".fp16", ".fp16__"])
def test_names_of_weights_say_the_module_after_conversions_too(added: str) -> None:
    assert module_of(folded(constant(f"network.layer1.conv1.weight{added}"))) == "layer1.conv1"


@pytest.mark.parametrize("name", ["val_3", "network.layer1.conv1.bias", "network.layer1.conv1.weight0"])
def test_weights_of_other_names_leave_what_the_node_says(name: str) -> None:
    assert module_of(folded(constant(name))) == "layer1.bn1"


def test_what_changes_the_type_alone_is_looked_through() -> None:
    weight = constant("network.head.weight.int8", np.int8)
    scaled = ir.node("DequantizeLinear", [weight, constant("scale")]).outputs[0]
    cast = ir.node("Cast", [scaled], {"to": ir.DataType.FLOAT16}).outputs[0]
    assert stored(cast) is weight
    assert module_of(folded(cast)) == "head"
    assert stored(ir.node("Transpose", [weight]).outputs[0]) is None
    assert stored(ir.node("Cast", [ir.Value(name="x")]).outputs[0]) is None


def test_what_is_put_in_is_of_the_module_of_what_it_stands_by() -> None:
    put_in = ir.node("Cast", [ir.Value(name="x")])
    count_to_module(put_in, None)
    assert MODULE_KEY not in put_in.metadata_props
    count_to_module(put_in, folded(constant("network.head.weight")))
    assert put_in.metadata_props[MODULE_KEY] == "head"


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_a_converted_network_has_the_modules_and_the_work_of_the_one_in_float32(
    precision: Precision, exported: ExportedModels
) -> None:
    path = exported(small_networks.deeplab, output_kind="labels").path
    made, _ = in_fp16(path, CALIBRATION) if precision == "fp16" else in_int8(path, CALIBRATION, "symmetric")
    before = PortableModel.read(path).nodes.by_name
    after = PortableModel.of(made, "converted").nodes
    computing = [node for node in after.nodes if node.operator in CONVOLUTIONS]
    assert computing
    assert [_work(node) for node in computing] == [_work(before[node.name]) for node in computing]
    weights = sum(node.weight_bytes for node in computing)
    assert weights < 0.6 * sum(before[node.name].weight_bytes for node in computing)
    put_in = [node for node in after.nodes if node.name not in before]
    assert put_in
    assert AROUND not in {node.module for node in put_in}


def _work(node: GraphNode) -> tuple[object, ...]:
    return node.module, node.flop, node.weight_shape


def test_what_a_pass_puts_in_the_place_of_a_convolution_is_of_its_module(exported: ExportedModels) -> None:
    model = PortableModel.read(exported(small_networks.deeplab, output_kind="labels").path)
    sites = [site.name for site in SplitConcats().sites(model.model)]
    table = PortableModel.of(applied(model.model, {SplitConcats.title: sites}), "split").nodes
    for name in sites:
        (split,) = (node for node in model.nodes.nodes if name in node.outputs)
        parts = [node for node in table.nodes if node.name.startswith(f"{name}.part")]
        assert {node.module for node in parts} == {split.module}
        assert sum(node.flop or 0 for node in parts) <= (split.flop or 0)
    assert sites
