"""Who says each number of the preprocessing: the network, the user, or nobody."""

from __future__ import annotations

from torch import nn

from edgeseg.export.entry import describe, notes_of
from edgeseg.export.said import NOBODY, USER, said_notes, who_said
from edgeseg.models.network import Network

NETWORK = Network(
    nn.Identity(),
    "semantic",
    class_names=("ground", "crack"),
    said={"mean_rgb": "preprocessor_config.json", "std_rgb": "preprocessor_config.json"},
)


def test_what_nobody_says_is_assumed() -> None:
    said = who_said(NETWORK)
    assert said["mean_rgb"] == "preprocessor_config.json"
    assert said["channel_order"] == said["class_names"] == NOBODY
    assert "resize_filter" not in said  # it has no value yet


def test_the_user_has_the_last_word_and_is_not_told_it() -> None:
    described = describe(NETWORK, mean_rgb=(0.5, 0.5, 0.5), channel_order="bgr")
    said = who_said(described)
    assert (said["mean_rgb"], said["std_rgb"], said["channel_order"]) == (
        USER,
        "preprocessor_config.json",
        USER,
    )
    assert not any(USER in note.split() for note in said_notes(said))


def test_mean_and_deviation_of_the_user_are_of_the_form_that_is_recorded() -> None:
    described = describe(NETWORK, mean_rgb=(0.5, 0.5, 0.5), std_rgb=(1.0, 1.0, 1.0))
    assert who_said(described)["divide_by_255"] == USER


def test_notes_name_each_that_says_something_once() -> None:
    notes = notes_of(NETWORK)
    assert notes[0] == "mean, deviation: said by preprocessor_config.json"
    assert notes[1] == f"division by 255, channel order, way of resizing, class names: said by {NOBODY}"
    assert "is a guess" in notes[2]
