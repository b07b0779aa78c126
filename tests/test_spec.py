"""A ModelSpec reads back what it wrote and refuses what contradicts itself."""

from __future__ import annotations

import dataclasses
import json
import math
from typing import Any

import pytest

from edgeseg.errors import RangeError, SpecError
from edgeseg.palette import default_palette
from edgeseg.records import from_json_value, to_json_value
from edgeseg.spec import (
    CRFSpec,
    GraphSpec,
    HeadSpec,
    InputSpec,
    ModelSpec,
    OutputSpec,
    Provenance,
    Thresholds,
)

SPEC = ModelSpec(
    task="semantic",
    class_names=("background", "cell"),
    input=InputSpec(height=64, width=96, resize="letterbox"),
    graph=GraphSpec(mean_rgb=(0.0, 0.0, 0.0), std_rgb=(1.0, 1.0, 1.0)),
    output_kind="labels",
    outputs=(OutputSpec("labels", "uint8", (1, 64, 96)),),
    source=Provenance("unet", "00ff", {"torch": "2.14.1"}),
)


def test_json_round_trip_is_exact_and_deterministic() -> None:
    assert ModelSpec.from_json(SPEC.to_json()) == SPEC
    assert ModelSpec.from_json(SPEC.to_json()).to_json() == SPEC.to_json()


def test_a_spec_from_before_graphs_had_crfs_has_none() -> None:
    parsed = json.loads(SPEC.to_json())
    del parsed["graph"]["crf_stride"]
    assert ModelSpec.from_json_value(parsed) == SPEC
    with_crf = dataclasses.replace(
        SPEC, graph=dataclasses.replace(SPEC.graph, crf_stride=8), crf=CRFSpec(64, iterations=3)
    )
    assert ModelSpec.from_json(with_crf.to_json()) == with_crf


def test_a_crf_stays_float32_also_in_a_spec_that_does_not_name_the_modules_that_must() -> None:
    assert SPEC.graph.float32_modules == ()
    refined = dataclasses.replace(
        SPEC, graph=dataclasses.replace(SPEC.graph, crf_stride=8, float32_modules=("head",)), crf=CRFSpec(64)
    )
    assert refined.graph.float32_modules == ("head", "dense_crf")
    parsed = json.loads(refined.to_json())
    del parsed["graph"]["float32_modules"]
    assert ModelSpec.from_json_value(parsed).graph.float32_modules == ("dense_crf",)


def test_a_spec_from_before_heads_has_logits_and_a_newer_one_is_refused() -> None:
    parsed = json.loads(SPEC.to_json())
    del parsed["head"]
    assert ModelSpec.from_json_value(parsed).head == HeadSpec("logits", 0.5)
    multilabel = dataclasses.replace(
        SPEC,
        output_kind="logits",
        outputs=(OutputSpec("logits", "float32", (1, 2, 64, 96)),),
        head=HeadSpec("multilabel", 0.3),
    )
    assert ModelSpec.from_json(multilabel.to_json()) == multilabel
    with pytest.raises(SpecError, match="unknown fields 'depth'; a newer edgeseg has written it"):
        ModelSpec.from_json_value({**parsed, "depth": 3})
    with pytest.raises(SpecError, match=r"head\.kind must be one of .*'multilabel', got 'panoptic'"):
        ModelSpec.from_json_value({**parsed, "head": {"kind": "panoptic", "threshold": 0.5}})


def test_a_spec_from_before_filters_is_resized_linearly_and_says_that_nobody_knows() -> None:
    image = dataclasses.replace(SPEC.input, resize_filter="pil", resize_filter_known=True)
    told = dataclasses.replace(SPEC, input=image)
    assert ModelSpec.from_json(told.to_json()) == told
    parsed = json.loads(told.to_json())
    del parsed["input"]["resize_filter"], parsed["input"]["resize_filter_known"]
    before = ModelSpec.from_json_value(parsed).input
    assert (before.resize_filter, before.resize_filter_known) == ("linear", False)
    with pytest.raises(SpecError, match=r"input\.resize_filter must be one of .*'pil', got 'cubic'"):
        ModelSpec.from_json_value({**parsed, "input": {**parsed["input"], "resize_filter": "cubic"}})


def test_a_threshold_is_log_odds_and_within_what_the_graph_tells_apart() -> None:
    for threshold in (0.0, 1.0, NAN):
        with pytest.raises(RangeError, match=r"HeadSpec\.threshold must be 0\.001 to 0\.999, got"):
            HeadSpec("sigmoid", threshold)
    assert HeadSpec().shift == 0
    assert HeadSpec("sigmoid", 0.75).shift == pytest.approx(math.log(3))


def test_a_module_without_a_name_is_refused() -> None:
    with pytest.raises(SpecError, match="float32_modules must hold the names of modules, got an empty one"):
        dataclasses.replace(SPEC.graph, float32_modules=("",))


def test_palette_is_made_for_every_class_and_colours_differ() -> None:
    assert SPEC.palette_rgb == default_palette(SPEC.class_names)
    assert SPEC.palette_rgb[0] == (0, 0, 0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"class_names": ()}, "1 to 255 names"),
        ({"class_names": ("a",) * 256}, "got 256"),
        ({"palette_rgb": ((0, 0, 0),)}, "2 classes, 1 colours"),
        ({"palette_rgb": ((0, 0, 0), (0, -1, 0))}, r"palette_rgb\[1\]\[1\] must be 0 to 255, got -1"),
        ({"head": HeadSpec("multilabel")}, "may overlap need output_kind 'logits'"),
        ({"output_kind": "instances"}, "does not fit task"),
        ({"output_kind": "logits"}, "outputs of 'logits'"),
        ({"graph": GraphSpec((0.0,) * 3, (1.0,) * 3, crf_stride=4)}, "must have the CRF's parameters"),
    ],
)
def test_contradictions_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        dataclasses.replace(SPEC, **change)  # type: ignore[arg-type]


NAN, INFINITY = float("nan"), float("inf")
GRAPH = {"mean_rgb": (0.5,) * 3, "std_rgb": (0.2,) * 3}
SIDES = {"height": 8, "width": 8}


@pytest.mark.parametrize(
    ("record", "values", "message"),
    [
        (InputSpec, {**SIDES, "height": 0}, "InputSpec.height must be 1 to 16384, got 0"),
        (InputSpec, {**SIDES, "width": -3}, "width must be 1 to 16384, got -3"),
        (InputSpec, {**SIDES, "width": 16385}, "width must be 1 to 16384, got 16385"),
        (InputSpec, {**SIDES, "width": 8.0}, "width must be a whole number, 1 to 16384, got 8"),
        (InputSpec, {**SIDES, "height": True}, "height must be a whole number"),
        (InputSpec, {**SIDES, "batch": 10**9}, "batch must be 1 to 4096"),
        (InputSpec, {**SIDES, "pad_bgr": (0, 0, 31365)}, r"pad_bgr\[2\] must be 0 to 255, got 31365"),
        (GraphSpec, {**GRAPH, "mean_rgb": (0.5, NAN, 0.5)}, r"mean_rgb\[1\] must be .* got nan"),
        (GraphSpec, {**GRAPH, "std_rgb": (0.2, 0.2, 0.0)}, r"std_rgb\[2\] must be above 0"),
        (GraphSpec, {**GRAPH, "std_rgb": (INFINITY, 0.2, 0.2)}, r"std_rgb\[0\] must be .* got inf"),
        (GraphSpec, {**GRAPH, "crf_stride": 0}, "crf_stride must be 1 to 16384, got 0"),
        (Thresholds, {"score": NAN}, "score must be 0 to 1, got nan"),
        (Thresholds, {"mask": 1.5}, "mask must be 0 to 1, got 1.5"),
        (
            OutputSpec,
            {"name": "x", "dtype": "uint8", "shape": (1, -1)},
            r"shape\[1\] must be 0 to 2147483647",
        ),
        (OutputSpec, {"name": "x", "dtype": "uint8", "shape": (1,) * 9}, "at most 8 axes, got 9"),
        (CRFSpec, {"height": 0}, "height must be 1 to 1048576, got 0"),
        (CRFSpec, {"height": 1, "appearance_position_px": 0}, "position_px must be above 0 and at most 1e"),
        (CRFSpec, {"height": 1, "appearance_colour": NAN}, "appearance_colour must be above 0 .* got nan"),
        (
            CRFSpec,
            {"height": 1, "appearance_weight": 1e39},
            r"appearance_weight must be 0 to 1e\+30, got 1e\+39",
        ),
        (CRFSpec, {"height": 1, "smoothness_weight": -1}, "smoothness_weight must be 0 to"),
        (CRFSpec, {"height": 1, "iterations": 10**9}, "iterations must be 0 to 1000, got 1000000000"),
        (CRFSpec, {"height": 1, "iterations": -1}, "iterations must be 0 to 1000, got -1"),
    ],
)
def test_numbers_out_of_range_are_refused_wherever_they_come_from(
    record: type, values: dict[str, Any], message: str
) -> None:
    with pytest.raises(RangeError, match=message):
        record(**values)
    parsed = {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}
    with pytest.raises(SpecError):
        from_json_value(record, parsed)


def test_an_input_is_held_to_the_limit_of_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SpecError, match=r"1 x 16384 x 16384 takes 268.4 million pixels.*--limit pixels=256M"):
        InputSpec(16384, 16384)
    monkeypatch.setenv("EDGESEG_LIMITS", "pixels=256M")
    assert InputSpec(16384, 16384).width == 16384


def test_text_that_utf8_cannot_hold_is_refused() -> None:
    parsed = json.loads(SPEC.to_json())
    with pytest.raises(SpecError, match=r"class_names\[1\] must be text"):
        ModelSpec.from_json_value({**parsed, "class_names": ["a", "b\udcff"]})


def test_other_schema_and_garbage_are_refused() -> None:
    other = {**json.loads(SPEC.to_json()), "schema_version": 99}
    with pytest.raises(SpecError, match="schema version 99, this edgeseg reads 1"):
        ModelSpec.from_json(json.dumps(other))
    with pytest.raises(SpecError, match="not JSON"):
        ModelSpec.from_json("{")
    with pytest.raises(SpecError, match="schema version None"):
        ModelSpec.from_json("[]")


def test_widths_scale_with_the_frame_and_colours_do_not() -> None:
    assert CRFSpec(480, 80, 13, 10, 3, 2, 4).scaled_to(240) == CRFSpec(240, 40, 13, 10, 1.5, 2, 4)


def test_scaled_widths_stay_in_range() -> None:
    with pytest.raises(
        RangeError, match=r"CRFSpec.appearance_position_px must be above 0 and at most 1e\+30"
    ):
        CRFSpec(1, appearance_position_px=1e30).scaled_to(2)


def test_specs_written_before_other_channels_were_there_are_read() -> None:
    value = json.loads(SPEC.to_json())
    for name in ("channels", "dtype", "pad_side", "size_divisor"):
        del value["input"][name]
    assert ModelSpec.from_json_value(value) == SPEC
    assert SPEC.input.takes_camera_frames


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"channels": 17}, "channels must be 1 to 16, got 17"),
        ({"channels": 4, "pad_bgr": (0, 0, 0)}, "must hold a number a channel, 4, got 3"),
        ({"channels": 2}, "2 channels are not blue, green and red"),
        ({"pad_bgr": (0, 0, 0.5)}, r"pad_bgr\[2\] must be a whole number, 0 to 255, got 0.5"),
        ({"size_divisor": 32}, "multiples of 32, got 4x5"),
    ],
)
def test_an_input_that_contradicts_itself_is_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        InputSpec(4, 5, **values)


def test_padding_of_16_bits_and_floats_comes_back_as_it_was() -> None:
    deep = InputSpec(4, 4, channels=1, dtype="uint16", channel_order="stored", pad_bgr=(40000,))
    cold = InputSpec(4, 4, channels=2, dtype="float32", channel_order="stored", pad_bgr=(-20.5, 0.0))
    for spec in (deep, cold):
        assert from_json_value(InputSpec, json.loads(json.dumps(to_json_value(spec)))) == spec
