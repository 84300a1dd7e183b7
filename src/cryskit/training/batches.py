"""Batches of about equal cost, and the order in which crystals are shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.utils.data import Sampler

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cryskit.batching import Batcher
    from cryskit.types import Graph


class EdgeBatches(Sampler[list[int]]):
    """Batches of about equal cost, reshuffled every epoch, dealt out to the processes.

    Where the crystal systems are known, crystals of one system come in pairs, so that a contrast of systems finds two alike
    of even the rarest in a batch.

    Args:
        batcher: The data set.
        edges: Number of edges that a batch has, about.
        seed: Seed of the order; None for the order of the data.
        processes: Number of processes among which the batches are dealt.
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
        return len(self._batches()) // self._processes

    def __iter__(self) -> Iterator[list[int]]:
        rank = torch.distributed.get_rank() if self._processes > 1 and torch.distributed.is_initialized() else 0
        for batch in self._batches()[rank :: self._processes]:
            yield batch.tolist()

    def collate(self, rows: list[int]) -> Graph:
        """Slice a batch out of the data set."""
        return self.batcher.take(np.array(rows))

    def _batches(self) -> list[np.ndarray]:
        order = np.arange(len(self.batcher))
        if self._seed is not None:
            order = np.random.default_rng((self._seed, self._epoch)).permutation(order)
            if self.batcher.symmetry is not None:
                order = paired(order, self.batcher.symmetry[:, 1])
        return self.batcher.batches(self._edges, order, self._processes)


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
