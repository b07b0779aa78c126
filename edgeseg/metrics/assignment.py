"""Find the pairs of two sides, each member at most once, whose gains have the largest sum."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def largest_sum(gains: NDArray[np.floating]) -> NDArray[np.intp]:
    """Solve the assignment problem exactly, in O(A^2 B) steps of one row each.

    The Hungarian method by shortest augmenting paths with potentials (Jonker and Volgenant, "A shortest
    augmenting path algorithm for dense and sparse linear assignment problems", 1987).

    Args:
        gains: (A, B), finite and not negative.

    Returns:
        (P, 2) pairs of row and column, rows ascending; P is the smaller of A and B.
    """
    if gains.shape[0] > gains.shape[1]:
        pairs = largest_sum(gains.T)[:, ::-1]
        return pairs[np.argsort(pairs[:, 0])]
    rows, columns = gains.shape
    row_price, column_price = np.zeros(rows), np.zeros(columns)
    row_of = np.full(columns, -1)
    for first in range(rows):
        distance, reached = np.full(columns, np.inf), np.zeros(columns, np.bool_)
        before = np.full(columns, -1)  # the column from which each is reached
        row, column, length = first, -1, 0.0
        while row >= 0:
            through = length - gains[row] - row_price[row] - column_price
            nearer = ~reached & (through < distance)
            distance[nearer], before[nearer] = through[nearer], column
            column = int(np.where(reached, np.inf, distance).argmin())
            length, reached[column] = float(distance[column]), True
            row = int(row_of[column])
        passed = np.flatnonzero(reached & (row_of >= 0))
        row_price[row_of[passed]] += length - distance[passed]
        row_price[first] += length
        column_price[reached] -= length - distance[reached]
        while column >= 0:
            row_of[column] = first if before[column] < 0 else row_of[before[column]]
            column = int(before[column])
    taken = np.flatnonzero(row_of >= 0)
    order = np.argsort(row_of[taken])
    return np.stack((row_of[taken], taken), axis=1)[order].astype(np.intp)
