"""A node follows orders: cameras come and go, the engine is replaced without a gap, silence ends all."""

from __future__ import annotations

import dataclasses
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytest.importorskip("onnx", reason="needs onnx, which makes the engine")
pytest.importorskip("onnxruntime", reason="needs ONNX Runtime")

from edgeseg.cluster.node import USE, Node
from edgeseg.cluster.order import Order, Report
from edgeseg.cluster.placed import Sent
from edgeseg.cluster.sent import digest_of, folder_of, packed
from edgeseg.manifest import read_manifest, seal
from edgeseg.runtime.engine import Engine
from edgeseg.runtime.settings import SiteSettings, StreamSettings
from tests.runtime.tiny_models import MODEL_FILE, labels_engine

DEADLINE_S = 30.0


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unpack engines where the test ends with them."""
    (tmp_path / "unpacked").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "unpacked"))


@pytest.fixture
def node() -> Iterator[Node]:
    node = Node(2.0, lease_s=DEADLINE_S)
    yield node
    node.close()


def sent_of(engine: Path) -> Sent:
    return Sent(digest_of(engine), lambda: packed(engine))


def order_of(tmp_path: Path, engine: Path, *names: str, written: tuple[str, ...] = ()) -> Order:
    streams = tuple(
        StreamSettings("synthetic:64x48", name, outputs=(str(tmp_path / f"{name}.jsonl"),)) for name in names
    )
    return Order(SiteSettings(str(engine), streams), digest_of(engine), written)


def until(node: Node, order: Order, condition: Callable[[Report], bool]) -> Report:
    deadline_s = time.monotonic() + DEADLINE_S
    while not condition(report := node.turn(order)):
        assert time.monotonic() < deadline_s, report
        time.sleep(0.02)
    return report


def with_results(name: str, more_than: int = 2) -> Callable[[Report], bool]:
    return lambda report: any(one.name == name and one.results > more_than for one in report.cameras)


def test_cameras_come_and_go_and_another_engine_takes_over_without_a_gap(node: Node, tmp_path: Path) -> None:
    first, second = labels_engine(tmp_path / "first"), labels_engine(tmp_path / "second", (64, 96))
    for engine in (first, second):
        assert node.prepare(sent_of(engine), proven=False) == ""
    report = until(node, order_of(tmp_path, first, "one"), with_results("one"))
    assert (report.engine, report.error) == (digest_of(first), "")
    until(node, order_of(tmp_path, first, "one", "two"), with_results("two"))
    both = order_of(tmp_path, second, "one", "two")
    report = until(node, both, lambda report: report.engine == digest_of(second))
    done = {one.name: one.results for one in report.cameras}
    until(node, both, with_results("one", done["one"] + 2))
    until(node, order_of(tmp_path, second, "two"), lambda report: len(report.cameras) == 1)
    for name in ("one", "two"):
        lines = (tmp_path / f"{name}.jsonl").read_text().splitlines()
        indices = [json.loads(line)["index"] for line in lines]
        assert indices == list(range(len(indices)))


def test_what_another_node_wrote_is_left(node: Node, tmp_path: Path) -> None:
    engine = labels_engine(tmp_path / "engine")
    node.prepare(sent_of(engine), proven=False)
    output = tmp_path / "one.jsonl"
    output.write_text("of another node\n")
    order = order_of(tmp_path, engine, "one", written=(str(output),))
    until(node, order, lambda report: len(list(tmp_path.glob("one-*.jsonl"))) == 1)
    assert output.read_text() == "of another node\n"


def test_cameras_end_without_orders_and_begin_again_with_the_next(tmp_path: Path) -> None:
    engine = labels_engine(tmp_path / "engine")
    node = Node(2.0, lease_s=1.0)
    try:
        node.prepare(sent_of(engine), proven=False)
        order = order_of(tmp_path, engine, "one")
        until(node, order, with_results("one"))
        time.sleep(2.0)
        until(node, order, lambda report: len(list(tmp_path.glob("one-*.jsonl"))) == 1)
    finally:
        node.close()


def test_a_camera_that_cannot_run_is_said_and_harms_no_other(node: Node, tmp_path: Path) -> None:
    engine = labels_engine(tmp_path / "engine")
    node.prepare(sent_of(engine), proven=False)
    until(node, order_of(tmp_path, engine, "one"), with_results("one"))
    one, three = order_of(tmp_path, engine, "one", "three").settings.streams
    unset = StreamSettings("rtsp://${EDGESEG_NOT_SET}@camera", "two")
    bad = Order(SiteSettings(str(engine), (one, unset, three)), digest_of(engine))
    report = until(node, bad, lambda report: report.error != "")
    assert report.refused == {"two": "the variable EDGESEG_NOT_SET of the environment is not set"}
    assert (report.broken, report.error) == ("", f"two: {report.refused['two']}")
    report = until(node, bad, with_results("three"))
    assert [camera.name for camera in report.cameras] == ["one", "three"]
    lines = (tmp_path / "one.jsonl").read_text().splitlines()
    assert [json.loads(line)["index"] for line in lines] == list(range(len(lines)))


def test_an_order_is_followed_at_once_though_the_one_before_failed(
    node: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgeseg.cluster.node.RETRY_S", 10 * DEADLINE_S)
    engine = labels_engine(tmp_path / "engine")
    node.prepare(sent_of(engine), proven=False)
    unset = StreamSettings("rtsp://${EDGESEG_NOT_SET}@camera", "bad")
    bad = Order(SiteSettings(str(engine), (unset,)), digest_of(engine))
    until(node, bad, lambda report: bool(report.refused))
    fresh = order_of(tmp_path, engine, "one")
    assert (node.turn(fresh).refused, node.turn(fresh).error) == ({}, "")
    with_both = dataclasses.replace(
        bad, settings=dataclasses.replace(fresh.settings, streams=(unset, *fresh.settings.streams))
    )
    report = until(node, with_both, with_results("one"))
    assert list(report.refused) == ["bad"]


def test_an_engine_that_does_not_run_here_is_refused_before_a_camera_comes(
    node: Node, tmp_path: Path
) -> None:
    engine = labels_engine(tmp_path / "engine")
    sent = sent_of(engine)
    asked = SiteSettings(str(engine), (), threads=10_000)
    assert "threads must be" in node.prepare(sent, asked, proven=False)
    asked = SiteSettings(str(engine), (), max_memory="1MB")
    assert "max_memory allows 1 MB" in node.prepare(sent, asked, proven=False)
    (engine / MODEL_FILE).write_bytes(b"no model")
    seal(engine, read_manifest(engine))
    assert "cannot open" in node.prepare(sent_of(engine), proven=False)


def test_a_node_without_the_engine_ends_its_cameras_and_runs_none(node: Node, tmp_path: Path) -> None:
    engine, other = labels_engine(tmp_path / "engine"), labels_engine(tmp_path / "other", (64, 96))
    empty = order_of(tmp_path, other)
    assert until(node, empty, lambda report: report.settled).broken == ""
    node.prepare(sent_of(engine), proven=False)
    until(node, order_of(tmp_path, engine, "one"), with_results("one"))
    report = until(node, empty, lambda report: report.settled)
    assert (report.cameras, report.broken) == ((), "")
    report = until(node, order_of(tmp_path, other, "one"), lambda report: report.settled)
    assert report.broken == f"the engine {digest_of(other)[:12]} is not prepared"


def test_an_engine_that_does_not_answer_is_told(
    node: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgeseg.cluster.node.HUNG_S", 0.2)
    monkeypatch.setattr("edgeseg.cluster.node.TIMES", 1.0)
    engine = labels_engine(tmp_path / "engine")
    node.prepare(sent_of(engine), proven=False)
    order = order_of(tmp_path, engine, "one")
    assert until(node, order, with_results("one")).hung == ""
    go_on = threading.Event()
    infer = Engine.infer
    monkeypatch.setattr(Engine, "infer", lambda *given: (go_on.wait(DEADLINE_S), infer(*given))[1])
    try:
        report = until(node, order, lambda report: report.hung != "")
        assert report.hung == "its engine was silent for 0 s"
    finally:
        go_on.set()
    assert until(node, order, lambda report: not report.hung).broken == ""


def test_an_engine_that_cannot_be_proven_is_refused(node: Node, tmp_path: Path) -> None:
    engine = labels_engine(tmp_path / "engine")
    reason = node.prepare(sent_of(engine), proven=True)
    assert "has no file 'golden" in reason


def test_an_engine_goes_from_the_machine_with_the_last_node_that_has_it(node: Node, tmp_path: Path) -> None:
    engine, other = labels_engine(tmp_path / "engine"), Node(2.0, lease_s=DEADLINE_S)
    folder = folder_of(digest_of(engine), USE)
    for _ in range(2):  # as a proof prepares it anew
        assert node.prepare(sent_of(engine), proven=False) == ""
    assert other.prepare(sent_of(engine), proven=False) == ""
    other.close()
    until(node, order_of(tmp_path, engine, "one"), with_results("one"))
    node.close()
    assert not folder.exists()
    assert "its node has ended" in node.prepare(sent_of(engine), proven=False)
    assert not folder.exists()


def test_an_engine_that_is_refused_does_not_stay(node: Node, tmp_path: Path) -> None:
    engine = labels_engine(tmp_path / "engine")
    assert node.prepare(sent_of(engine), proven=True) != ""
    assert not folder_of(digest_of(engine), USE).exists()
