"""Logits made of a network's output decide and weigh as the output itself does."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from edgeseg.export.head import Reading, labels_from, logits_from
from edgeseg.export.meaning import MeaningErrors, decisions
from edgeseg.spec import Head, HeadSpec

RANDOM = np.random.default_rng(1)


def reading(kind: Head, threshold: float = 0.5, are_probabilities: bool = False) -> Reading:
    return Reading("", HeadSpec(kind, threshold), are_probabilities)


def row(*values: float) -> torch.Tensor:
    """One channel of one row."""
    return torch.tensor(values).reshape(1, 1, 1, -1)


def test_a_sigmoid_by_hand() -> None:
    logits = logits_from(row(0.5, 0.75, 0.1), reading("sigmoid"))
    assert logits[0, 0].tolist() == [[0, 0, 0]]
    assert logits[0, 1, 0].tolist() == pytest.approx([0, math.log(3), -math.log(9)], abs=1e-6)


def test_a_threshold_is_where_the_logits_are_even() -> None:
    logits = logits_from(row(0.2, 0.19, 0.21, 1.0, 0.0), reading("sigmoid", 0.2))
    assert logits[0, 1, 0, 0].item() == pytest.approx(0, abs=1e-6)
    assert logits.argmax(dim=1)[0, 0, 1:].tolist() == [0, 1, 1, 0]
    one = logits_from(row(-1.0, 1.0, 3.0), reading("logits", 0.9))  # log(0.9 / 0.1) is 2.2
    assert one.argmax(dim=1).flatten().tolist() == [0, 0, 1]


def test_saturated_probabilities_stay_finite_and_in_order() -> None:
    values = [1.0, 0.99999, 0.5, 1e-7, 1e-9, 0.0]
    rivals = logits_from(torch.tensor(values).reshape(1, 6, 1, 1), reading("sigmoid")).flatten()
    assert rivals.isfinite().all()
    assert (rivals.diff() < 0).all()
    one = logits_from(row(*values), reading("sigmoid"))[0, 1, 0]
    assert one.abs().max().item() == pytest.approx(-math.log(1e-4))
    assert (one.diff() <= 0).all()
    softmax = logits_from(torch.tensor([1.0, 0.0]).reshape(1, 2, 1, 1), reading("softmax")).flatten()
    assert softmax.tolist() == pytest.approx([0, math.log(1e-6)], abs=1e-6)


def test_what_a_sigmoid_is_off_by_hardly_shows_among_rivals() -> None:
    likely = torch.tensor([0.9, 1e-13, 1e-9, 3e-6, 1e-4]).reshape(1, 5, 1, 1)
    logits, near = (logits_from(raw, reading("sigmoid")).flatten() for raw in (likely, likely + 3e-8))
    assert (logits - near).abs().max() < 1e-3 * logits.abs().max()
    assert logits.argsort().tolist() == [1, 2, 3, 4, 0]
    assert logits.exp()[:1].tolist() == pytest.approx([0.9])
    assert logits.exp()[1:].tolist() == pytest.approx([0, 0, 0, 1e-4], abs=1e-4)


def test_a_softmax_that_left_0_to_1_in_a_cubic_filter_is_what_its_positive_part_says() -> None:
    raw = np.array([1.1, 0.1, -0.05, -0.15], np.float32).reshape(4, 1, 1)
    logits = logits_from(torch.from_numpy(raw)[None], reading("softmax"))
    torch.testing.assert_close(logits.softmax(dim=1)[0, 0, 0, 0].item(), 1.1 / 1.2, atol=1e-5, rtol=0)
    errors = MeaningErrors()
    errors.add(raw, logits[0].numpy(), reading("softmax"))
    assert not errors.failures(0.999)


def test_the_softmax_of_a_softmaxs_logits_is_the_softmax() -> None:
    likely = torch.softmax(torch.randn(1, 5, 4, 6, generator=torch.manual_seed(0)), dim=1)
    torch.testing.assert_close(logits_from(likely, reading("softmax")).softmax(dim=1), likely)


def test_each_class_that_may_overlap_is_decided_at_its_threshold() -> None:
    raw = torch.tensor([[0.6, 0.8], [0.9, 0.1]]).reshape(1, 2, 1, 2)
    found = logits_from(raw, reading("multilabel", 0.7, are_probabilities=True)) > 0
    assert found[0, :, 0].tolist() == [[False, True], [True, False]]
    log_odds = logits_from(torch.logit(raw), reading("multilabel", 0.7)) > 0
    assert torch.equal(found, log_odds)


def test_labels_of_any_type_and_stride_become_bytes_of_the_inputs_size() -> None:
    ids = torch.tensor([[0, 3], [1, 2]])
    wanted = [[0, 0, 3, 3], [0, 0, 3, 3], [1, 1, 2, 2], [1, 1, 2, 2]]
    for raw in (ids[None], ids[None, None], ids[None].float(), ids[None].byte()):
        labels = labels_from(raw, (4, 4))
        assert labels.dtype == torch.uint8
        assert labels.tolist() == [wanted]


CASES: list[tuple[Reading, np.ndarray]] = [
    (reading("logits"), RANDOM.normal(0, 3, (4, 8, 9))),
    (reading("logits", 0.8), RANDOM.normal(0, 3, (1, 8, 9))),
    (reading("logits", 0.8), RANDOM.normal(0, 3, (2, 8, 9))),
    (reading("sigmoid", 0.3), RANDOM.uniform(0, 1, (1, 8, 9))),
    (reading("sigmoid"), RANDOM.uniform(0, 1, (3, 8, 9))),
    (reading("softmax"), RANDOM.dirichlet(np.ones(5), (8, 9)).transpose(2, 0, 1)),
    (reading("softmax", 0.1), RANDOM.dirichlet(np.ones(2), (8, 9)).transpose(2, 0, 1)),
    (reading("multilabel", 0.6), RANDOM.normal(0, 3, (3, 8, 9))),
    (reading("multilabel", 0.6, are_probabilities=True), RANDOM.uniform(0, 1, (3, 8, 9))),
]


@pytest.mark.parametrize(("read_as", "raw"), CASES)
def test_the_meaning_is_kept_and_another_meaning_is_noticed(read_as: Reading, raw: np.ndarray) -> None:
    raw = raw.astype(np.float32)
    logits = logits_from(torch.from_numpy(raw)[None], read_as)[0].numpy()
    errors = MeaningErrors()
    errors.add(raw, logits, read_as)
    assert errors.figures()["head_agreement"] == 1
    assert not errors.failures(0.999)
    wrong = MeaningErrors()
    wrong.add(raw, logits - np.linspace(0, 4, len(logits), dtype=np.float32).reshape(-1, 1, 1), read_as)
    assert wrong.failures(0.999)


def test_probabilities_taken_for_logits_are_noticed_by_the_meaning() -> None:
    raw = RANDOM.uniform(0, 1, (1, 8, 9)).astype(np.float32)
    as_logits = logits_from(torch.from_numpy(raw)[None], reading("logits"))[0].numpy()
    errors = MeaningErrors()
    errors.add(raw, as_logits, reading("sigmoid"))
    assert "of the network's own decisions" in errors.failures(0.999)[0]


def test_labels_are_compared_where_they_lie() -> None:
    ids = np.array([[[0, 3], [1, 2]]])
    errors = MeaningErrors()
    errors.add_labels(ids, ids[0].repeat(2, axis=0).repeat(2, axis=1).astype(np.uint8))
    assert errors.figures() == {"head_agreement": 1.0}
    errors.add_labels(ids, np.zeros((2, 2), np.uint8))
    assert errors.figures()["head_agreement"] == pytest.approx(17 / 20)
    assert decisions(ids, reading("labels"))[0].tolist() == ids[0].tolist()
