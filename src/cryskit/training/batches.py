"""Batches of about equal cost, and the order in which crystals are shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.utils.data import Sampler

from cryskit.errors import PlanError, counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cryskit.batching import Batcher
    from cryskit.types import Graph


class EdgeBatches(Sampler[list[int]]):
    """Batches of about equal cost, reshuffled every epoch; of several processes each takes its share of every batch.

    Where the crystal systems are known, crystals of one system come in pairs, so that a contrast of systems finds two alike
    of even the rarest in a batch.

    Args:
        batcher: The data set.
        edges: Number of edges that a batch has, about.
        seed: Seed of the order; None for the order of the data.
        processes: Number of processes that share a batch.
    """

    def __init__(self, batcher: Batcher, edges: int, seed: int | None, processes: int) -> None:
        self.batcher = batcher
        self._edges = edges
        self._seed = seed
        self._processes = processes
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the order of this epoch; Lightning calls it."""
        self._epoch = epoch

    def __len__(self) -> int:
        return len(self._batches())

    def __iter__(self) -> Iterator[list[int]]:
        rank = torch.distributed.get_rank() if self._processes > 1 and torch.distributed.is_initialized() else 0
        costs = self.batcher.costs
        for batch in self._batches():
            yield share(batch, costs[batch], rank, self._processes).tolist()

    def collate(self, rows: list[int]) -> Graph:
        """Slice a batch out of the data set."""
        return self.batcher.take(np.array(rows))

    def _batches(self) -> list[np.ndarray]:
        order = np.arange(len(self.batcher))
        if self._seed is not None:
            order = np.random.default_rng((self._seed, self._epoch)).permutation(order)
            if self.batcher.symmetry is not None:
                order = paired(order, self.batcher.symmetry[:, 1])
        return self.batcher.batches(self._edges, order)


def share(batch: np.ndarray, costs: np.ndarray, number: int, of: int) -> np.ndarray:
    """Return one of several shares of a batch, which cost about the same and have a crystal at least.

    Args:
        batch: (B,) positions of crystals.
        costs: (B,) cost of each.
        number: Number of the share, from 0.
        of: Number of shares.

    Raises:
        PlanError: There are fewer crystals than shares.
    """
    if len(batch) < of:
        raise PlanError(
            f"A batch of {counted(len(batch), 'crystal')} cannot be shared by {of} processes",
            "Give larger batches (optimisation.edges), more crystals, or fewer --devices and --nodes",
        )
    middles = np.cumsum(costs) - costs / 2
    cuts = [0]
    for part in range(1, of):
        cut = int(np.searchsorted(middles, part * costs.sum() / of))
        cuts.append(min(max(cut, cuts[-1] + 1), len(batch) - of + part))
    return batch[slice(*[*cuts, len(batch)][number : number + 2])]


def paired(order: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Return the order with every second member of a group moved right behind the one before it.

    Args:
        order: (B,) positions of crystals.
        groups: The group of every position.
    """
    by_group = np.argsort(groups[order], kind="stable")
    sorted_groups = groups[order][by_group]
    starts = np.searchsorted(sorted_groups, sorted_groups)
    second = (np.arange(len(order)) - starts) % 2 == 1
    place = by_group.astype(float)
    place[second] = by_group[np.flatnonzero(second) - 1] + 0.5
    taken: np.ndarray = order[by_group][np.argsort(place)]
    return taken
