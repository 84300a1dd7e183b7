"""Folds of rows: whole formulas, of equal size as nearly as can be, in an order that a seed draws."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence


def folds_of(groups: np.ndarray, count: int, seed: int, classes: np.ndarray | None = None) -> list[np.ndarray]:
    """Divide rows into folds that keep groups together.

    Groups are dealt in random order, the largest first, each to the fold that has the fewest rows; of classes, to the fold that has the
    fewest groups of its most frequent class, so that every fold has its share of a class with few crystals.

    Args:
        groups: (n,) the group of each row.
        count: Number of folds; at most one per group is made.
        seed: Seed of the order.
        classes: (n,) number of the class of each row; None for labels that are no classes.

    Returns:
        The rows of each fold, sorted.
    """
    names, of_row, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    order = np.random.default_rng(seed).permutation(len(names))
    order = order[np.argsort(-sizes[order], kind="stable")]
    count = min(count, len(names))
    rows, fold_of = np.zeros(count, dtype=int), np.zeros(len(names), dtype=int)
    of_group = np.zeros(len(names), dtype=int) if classes is None else _most_frequent(of_row, classes)
    dealt = np.zeros((of_group.max(initial=0) + 1, count), dtype=int)
    for group in order:
        first = rows if classes is None else dealt[of_group[group]]
        fold = int(np.lexsort((rows, first))[0])
        fold_of[group] = fold
        rows[fold] += sizes[group]
        dealt[of_group[group], fold] += 1
    return [np.flatnonzero(fold_of[of_row] == fold) for fold in range(count)]


def _most_frequent(of_row: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Return the most frequent class of each group, (groups,)."""
    counts = np.zeros((of_row.max(initial=0) + 1, classes.max(initial=0) + 1), dtype=int)
    np.add.at(counts, (of_row, classes), 1)
    found: np.ndarray = counts.argmax(1)
    return found


def without(rows: np.ndarray, left: np.ndarray) -> np.ndarray:
    """Return rows that are not among those left out, sorted."""
    return np.setdiff1d(rows, left, assume_unique=True)


def some(rows: np.ndarray, groups: np.ndarray, most: int, seed: int) -> np.ndarray:
    """Return at most about `most` rows, whole groups, drawn at random.

    Args:
        rows: The rows to draw from.
        groups: (n,) the group of each row of the table.
        most: Number of rows.
        seed: Seed of the draw.
    """
    if len(rows) <= most:
        return rows
    names = np.random.default_rng(seed).permutation(np.unique(groups[rows]))
    chosen: list[int] = []
    taken = 0
    for name in names:
        if taken >= most:
            break
        chosen.append(int(name))
        taken += int((groups[rows] == name).sum())
    return rows[np.isin(groups[rows], chosen)]


def positions(rows: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Return where wanted rows are in sorted rows."""
    return np.searchsorted(rows, wanted)


def concatenated(parts: Sequence[np.ndarray]) -> np.ndarray:
    """Return the rows of several folds, sorted."""
    return np.sort(np.concatenate(list(parts)))
