"""The values of the proof decide which heads are plausible: certain ones pass, the others are asked for."""

from __future__ import annotations

import numpy as np
import pytest

from edgeseg.errors import UsageError
from edgeseg.export.plausibility import choose_head, fitting, statistics_of

RANDOM = np.random.default_rng(0)
SCORES = [RANDOM.normal(0, 4, (4, 9, 11)).astype(np.float32) for _ in range(2)]


def sigmoid(scores: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(np.minimum(-scores.astype(np.float64), 700)))  # e^710 overflows


def softmax(scores: np.ndarray) -> np.ndarray:
    likely = np.exp(scores - scores.max(axis=0))
    return likely / likely.sum(axis=0)


def one(scores: np.ndarray) -> np.ndarray:
    return scores[:1]


OUTPUTS = {
    "logits": SCORES,
    "one logit": [one(scores) for scores in SCORES],
    "log-softmax": [np.log(softmax(scores)) for scores in SCORES],
    "relu": [np.maximum(scores, 0) for scores in SCORES],
    "small relu": [np.clip(scores / 40, 0, 1) for scores in SCORES],
    "unlike elsewhere": [sigmoid(one(SCORES[0])), one(SCORES[1])],
    "sigmoid": [sigmoid(one(scores)) for scores in SCORES],
    "untrained sigmoid": [sigmoid(one(scores) * 1e-3) for scores in SCORES],
    "softmax": [softmax(scores) for scores in SCORES],
    "half softmax": [softmax(scores).astype(np.float16).astype(np.float32) for scores in SCORES],
    "resampled softmax": [softmax(scores) * 1.2 - 0.05 for scores in SCORES],  # the sum is still 1
    "complement": [np.stack([1 - sigmoid(scores[0]), sigmoid(scores[0])]) for scores in SCORES],
    "labels": [scores.argmax(axis=0)[None] for scores in SCORES],
    "float labels": [scores.argmax(axis=0)[None].astype(np.float32) for scores in SCORES],
    "mask": [one(scores) > 0 for scores in SCORES],
    "float mask": [(one(scores) > 0).astype(np.float32) for scores in SCORES],
    "sigmoids": [sigmoid(scores) for scores in SCORES],
    "saturated sigmoids": [sigmoid(40 * scores).astype(np.float32) for scores in SCORES],
    "masks": [(scores > 0).astype(np.float32) for scores in SCORES],
    "nothing": [np.zeros((1, 9, 11), np.float32)],
    "nowhere": [np.zeros((1, 9, 11), np.int64)],
}


@pytest.mark.parametrize(
    "name", ["logits", "one logit", "log-softmax", "relu", "small relu", "unlike elsewhere"]
)
def test_plain_logits_need_no_word(name: str) -> None:
    seen = statistics_of(OUTPUTS[name])
    assert choose_head(seen, None) == "logits"
    assert choose_head(seen, "logits") == "logits"


@pytest.mark.parametrize(
    ("name", "heads"),
    [
        ("sigmoid", ["sigmoid"]),
        ("untrained sigmoid", ["sigmoid"]),
        ("softmax", ["softmax"]),
        ("half softmax", ["softmax"]),
        ("resampled softmax", ["softmax"]),
        ("complement", ["softmax"]),
        ("labels", ["labels"]),
        ("float labels", ["labels"]),
        ("mask", ["labels"]),
        ("float mask", ["labels", "sigmoid"]),
        ("sigmoids", ["sigmoid", "multilabel", "logits"]),
        ("saturated sigmoids", ["sigmoid", "multilabel", "logits"]),
        ("masks", ["multilabel", "sigmoid"]),
        ("nothing", ["sigmoid", "labels", "logits"]),
        ("nowhere", ["labels"]),
    ],
)
def test_what_else_it_may_be_is_asked_for_and_then_taken(name: str, heads: list[str]) -> None:
    seen = statistics_of(OUTPUTS[name])
    assert fitting(seen) == heads
    with pytest.raises(
        UsageError, match=f"what does the network's output mean.*--head {heads[0]} "
    ) as caught:
        choose_head(seen, None)
    for head in heads:
        assert f"--head {head} " in str(caught.value)
        assert choose_head(seen, head) == head  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "stated", "fits"),
    [
        ("logits", "sigmoid", "logits"),
        ("logits", "softmax", "logits"),
        ("logits", "labels", "logits"),
        ("one logit", "sigmoid", "logits"),
        ("sigmoid", "logits", "sigmoid"),
        ("sigmoid", "softmax", "sigmoid"),
        ("sigmoid", "labels", "sigmoid"),
        ("softmax", "logits", "softmax"),
        ("softmax", "sigmoid", "softmax"),
        ("softmax", "multilabel", "softmax"),
        ("labels", "logits", "labels"),
        ("labels", "sigmoid", "labels"),
        ("labels", "multilabel", "labels"),
        ("float labels", "logits", "labels"),
        ("sigmoids", "softmax", "multilabel"),
    ],
)
def test_a_head_that_the_values_contradict_is_refused_with_the_one_that_fits(
    name: str, stated: str, fits: str
) -> None:
    with pytest.raises(UsageError, match=f"contradicts the head '{stated}'.*--head {fits} .*would fit"):
        choose_head(statistics_of(OUTPUTS[name]), stated)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["logits", "sigmoids", "masks", "one logit", "sigmoid"])
def test_classes_that_may_overlap_come_as_log_odds_or_as_probabilities(name: str) -> None:
    seen = statistics_of(OUTPUTS[name])
    assert choose_head(seen, "multilabel") == "multilabel"
    assert seen.in_unit == (name not in ("logits", "one logit"))


@pytest.mark.parametrize(
    "decided",
    [
        np.where(one(SCORES[0]) > 0, 255, 0).astype(np.uint8),
        np.where(one(SCORES[0]) > 0, 255, 0).astype(np.float32),  # a picture of a mask
        np.where(one(SCORES[0]) > 0, 1, -1),  # -1 for what is to be ignored
        np.where(one(SCORES[0]) > 0, 300, 7),  # more classes than bytes tell apart
    ],
)
def test_what_was_decided_and_is_no_label_is_refused_with_the_fix(decided: np.ndarray) -> None:
    seen = statistics_of([decided])
    for stated in (None, "labels", "sigmoid"):
        with pytest.raises(UsageError, match=r"decides inside, but gives 1 channel, .*labels are 0 to 254: "):
            choose_head(seen, stated)  # type: ignore[arg-type]


def test_scores_that_happen_to_be_whole_may_be_called_logits() -> None:
    rounded = statistics_of([np.rint(100 * np.abs(one(SCORES[0])))])
    assert choose_head(rounded, "logits") == "logits"


def test_an_unknown_head_is_named() -> None:
    with pytest.raises(UsageError, match="no head 'tanh'; there are logits, sigmoid"):
        choose_head(statistics_of(OUTPUTS["logits"]), "tanh")  # type: ignore[arg-type]
