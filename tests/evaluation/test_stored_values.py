"""Values of label maps mean class ids, or what rules say of them."""

from __future__ import annotations

import pytest

from edgeseg.errors import UsageError
from edgeseg.evaluation.stored_values import IGNORED, NAMED, UNKNOWN, table_of
from edgeseg.label_sets import ALL


def test_values_are_class_ids_255_is_not_counted_and_others_are_unknown() -> None:
    table = table_of(3)
    assert table[:4].tolist() == [0, 1, 2, UNKNOWN]
    assert (table[255], table[256]) == (IGNORED, UNKNOWN)
    assert len(table) == 1 << 16


def test_another_value_or_none_is_not_counted() -> None:
    assert table_of(3, ignore=0)[:3].tolist() == [IGNORED, 1, 2]
    assert table_of(3, ignore=40_000)[40_000] == IGNORED
    assert table_of(3, ignore=None)[255] == UNKNOWN


def test_rules_say_what_values_mean_the_last_wins() -> None:
    table = table_of(3, rules=("255=1", "1-65535=1", "100-199=2", "150=ignore"))
    assert [int(table[value]) for value in (0, 1, 2, 99, 100, 150, 199, 200, 255, 65535)] == [
        0, 1, 1, 1, 2, IGNORED, 2, 1, 1, 1,
    ]  # fmt: skip


def test_cityscapes_label_ids_become_its_classes() -> None:
    table = table_of(19, rules=("cityscapes-ids",))
    names = ALL["cityscapes"].class_names
    assert [names[table[value]] for value in (7, 11, 24, 26, 33)] == [
        "road", "building", "person", "car", "bicycle",
    ]  # fmt: skip
    assert {int(table[value]) for value in (0, 6, 9, 14, 29, 30)} == {IGNORED}


@pytest.mark.parametrize("name", ["ade20k", "pascal-context-59"])
def test_sets_that_count_from_one_begin_at_one(name: str) -> None:
    classes = len(ALL[name].class_names)
    table = table_of(classes, rules=(name,))
    assert (table[0], table[1], table[classes]) == (IGNORED, 0, classes - 1)
    assert name in NAMED


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("1", "cannot be read; write VALUE=CLASS"),
        ("a=1", "cannot be read"),
        ("1=-1", "cannot be read"),
        ("9-3=1", "the smaller first"),
        ("70000=1", "values of 0 to 65535"),
        ("4=3", "names class 3; the network's are 0 to 2"),
        ("ade20k", "names class 3; the network's are 0 to 2"),
    ],
)
def test_what_is_no_rule_is_refused(rule: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        table_of(3, rules=(rule,))
