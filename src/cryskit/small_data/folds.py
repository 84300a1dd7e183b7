"""Folds of rows: whole formulas, of equal size as nearly as can be, in an order that a seed draws."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence


def folds_of(groups: np.ndarray, count: int, seed: int) -> list[np.ndarray]:
    """Divide rows into folds that keep groups together.

    Groups are dealt in random order, the largest first, each to the fold that has the fewest rows.

    Args:
        groups: (n,) the group of each row.
        count: Number of folds; at most one per group is made.
        seed: Seed of the order.

    Returns:
        The rows of each fold, sorted.
    """
    names, of_row, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    order = np.random.default_rng(seed).permutation(len(names))
    order = order[np.argsort(-sizes[order], kind="stable")]
    count = min(count, len(names))
    rows, fold_of = np.zeros(count, dtype=int), np.zeros(len(names), dtype=int)
    for group in order:
        fold = int(rows.argmin())
        fold_of[group] = fold
        rows[fold] += sizes[group]
    return [np.flatnonzero(fold_of[of_row] == fold) for fold in range(count)]


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
