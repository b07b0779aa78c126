"""Arithmetic of nodes, counted by hand."""

from __future__ import annotations

import pytest

from edgeseg.nodes.work import flop_of


@pytest.mark.parametrize(
    ("operator", "data", "weight", "output", "by_hand"),
    [
        # each of 16 x 10 x 12 outputs sums over 3 channels of 3 x 3 taps
        ("Conv", (1, 3, 10, 12), (16, 3, 3, 3), (1, 16, 10, 12), 2 * (16 * 10 * 12) * (3 * 9)),
        ("FusedConv", (2, 3, 10, 12), (16, 3, 3, 3), (2, 16, 5, 6), 2 * (2 * 16 * 5 * 6) * (3 * 9)),
        ("QLinearConv", (1, 3, 10, 12), (16, 3, 1, 1), (1, 16, 10, 12), 2 * (16 * 10 * 12) * 3),
        # depthwise: a channel each; in 4 groups of 8: 2 channels each
        ("Conv", (1, 8, 10, 12), (8, 1, 3, 3), (1, 8, 10, 12), 2 * (8 * 10 * 12) * 9),
        ("Conv", (1, 8, 10, 12), (8, 2, 3, 3), (1, 8, 10, 12), 2 * (8 * 10 * 12) * (2 * 9)),
        # dilated by 2 without padding: as many taps, fewer outputs
        ("Conv", (1, 3, 10, 12), (16, 3, 3, 3), (1, 16, 6, 8), 2 * (16 * 6 * 8) * (3 * 9)),
        # transposed, of stride 2: each input spreads over 5 channels of 2 x 2 taps
        ("ConvTranspose", (1, 4, 10, 12), (4, 5, 2, 2), (1, 5, 20, 24), 2 * (4 * 10 * 12) * (5 * 4)),
        ("MatMul", (7, 20, 30), None, (7, 20, 40), 2 * (7 * 20 * 40) * 30),
        ("MatMul", (30,), None, (40,), 2 * 40 * 30),
        ("Gemm", (20, 30), None, (20, 40), 2 * (20 * 40) * 30),
        ("Gemm", (30, 20), None, (20, 40), 2 * (20 * 40) * 30),  # the left one transposed
    ],
)
def test_products_are_counted_as_by_hand(
    operator: str,
    data: tuple[int, ...],
    weight: tuple[int, ...] | None,
    output: tuple[int, ...],
    by_hand: int,
) -> None:
    assert flop_of(operator, data, weight, output) == by_hand


def test_other_operators_have_no_arithmetic_of_this_kind() -> None:
    assert flop_of("Relu", None, None, None) == 0
    assert flop_of("Resize", (1, 3, 4, 4), None, (1, 3, 8, 8)) == 0


def test_what_does_not_follow_from_shapes_is_not_known() -> None:
    assert flop_of("Einsum", (4, 4), None, (4, 4)) is None
    assert flop_of("Conv", (1, 3, 4, 4), None, (1, 3, 4, 4)) is None
    assert flop_of("Conv", (1, 3, 4, 4), (3, 3, 1, 1), None) is None
    assert flop_of("MatMul", None, (4, 4), (4, 4)) is None
