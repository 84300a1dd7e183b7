"""The order of rows: by one quantity, or by Pareto fronts of several; and rows of the best that are unlike one another."""

from __future__ import annotations

import numpy as np


def fronts(scores: np.ndarray, enough: int | None = None) -> np.ndarray:
    """Return the Pareto front of each row, from 1: rows of a front are surpassed in all scores by rows of earlier fronts only.

    Args:
        scores: (rows, goals) float, larger is better; a row with NaN is behind all others.
        enough: Number of rows in the first fronts after which the others all have the number of the next; None to find all fronts.

    Returns:
        (rows,) int64.
    """
    found = np.zeros(len(scores), np.int64)
    usable = ~np.isnan(scores).any(axis=1)
    left, number, done = np.flatnonzero(usable), 0, 0
    left = left[np.lexsort(-scores[left].T[::-1])]  # no row is dominated by one behind it
    while len(left) and (enough is None or done < enough):
        number += 1
        first = _first_front(scores[left])
        found[left[first]] = number
        done += int(first.sum())
        left = left[~first]
    found[left] = number + 1
    found[~usable] = number + 2
    return found


def _first_front(scores: np.ndarray) -> np.ndarray:
    """Return which rows no other dominates; rows are sorted by the first score, then the second and so on, descending."""
    if scores.shape[1] == 1:
        best: np.ndarray = scores[:, 0] == scores[0, 0]
        return best
    first = np.zeros(len(scores), bool)
    front = np.zeros((0, scores.shape[1]))
    for place, row in enumerate(scores):
        dominated = ((front >= row).all(axis=1) & (front > row).any(axis=1)).any()
        if not dominated:
            first[place] = True
            front = np.vstack([front, row])
    return first


def order(scores: np.ndarray, enough: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows from the best to the worst, and the front of each.

    Within a front the row comes first whose mean rank in the single scores is best; equal ones keep their order.

    Args:
        scores: (rows, goals) float, larger is better; without goals the order is that of the rows.
        enough: Number of rows whose order is wanted; the fronts of the others need not be known.

    Returns:
        (rows,) int64 the positions of the rows, and (rows,) int64 the fronts by the position of the row.
    """
    count = len(scores)
    if not scores.shape[1]:
        return np.arange(count), np.ones(count, np.int64)
    of = fronts(scores, enough)
    if scores.shape[1] == 1:
        score = np.where(np.isnan(scores[:, 0]), -np.inf, scores[:, 0])
        return np.argsort(-score, kind="stable"), of
    ranks = np.argsort(np.argsort(-scores, axis=0, kind="stable"), axis=0, kind="stable").mean(axis=1)
    return np.lexsort((np.arange(count), ranks, of)), of


def diverse(vectors: np.ndarray, count: int) -> np.ndarray:
    """Return positions of vectors that are far from one another.

    This is the greedy k-centre algorithm (Gonzalez 1985): the first, then each time the one that is farthest from all taken before.

    Args:
        vectors: (rows, width) float.
        count: Number of positions.
    """
    if not len(vectors):
        return np.zeros(0, np.int64)
    vectors = vectors.astype(np.float64)
    taken = [0]
    distance = np.linalg.norm(vectors - vectors[0], axis=1)
    while len(taken) < min(count, len(vectors)):
        farthest = int(distance.argmax())
        if distance[farthest] <= 0:
            break
        taken.append(farthest)
        distance = np.minimum(distance, np.linalg.norm(vectors - vectors[farthest], axis=1))
    return np.array(taken, np.int64)
