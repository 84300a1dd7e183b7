"""What a network computes for crystals, batch by batch: smaller batches where memory runs out, one crystal less where one is at fault."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from cryskit.batching import Batcher, to
from cryskit.errors import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cryskit.types import Graph

_RAISED = (RuntimeError, MemoryError, ValueError, IndexError)  # what PyTorch raises for a batch
_SYSTEMATIC = 8  # crystals of a batch that cannot all be at fault
_SHOWN = 200  # characters of an error


class Computed(NamedTuple):
    """What was computed for B crystals.

    Attributes:
        values: (B - failures, ...) what was read out, for the crystals without failure; of functions with a row per atom, the rows of their atoms.
        failures: Position of a crystal to the reason why nothing could be computed for it.
    """

    values: np.ndarray
    failures: dict[int, str]


@torch.inference_mode()
def compute(graph: Graph, what: Callable[[Graph], torch.Tensor], edges: int, device: torch.device) -> Computed:
    """Return what is read out of a graph of any size.

    A batch that raises is halved until it fits into memory, or until the crystal at fault is alone.

    Args:
        graph: B crystals, on the CPU.
        what: Function from a batch on the device to a tensor with one row per crystal, or per atom.
        edges: Number of edges of a batch, about.
        device: Device to compute on.

    Raises:
        RuntimeError: All crystals of a batch fail, so that the fault is not theirs.
    """
    batcher, failures = Batcher(graph), dict[int, str]()

    def halved(rows: np.ndarray) -> Iterator[np.ndarray]:
        try:
            yield what(to(batcher.take(rows), device)).cpu().numpy()
        except _RAISED as error:
            if len(rows) == 1:
                failures[int(rows[0])] = _reason(error)
                return
            if device.type == "cuda":
                torch.cuda.empty_cache()
            yield from chain.from_iterable(map(halved, np.array_split(rows, 2)))
            if len(rows) >= _SYSTEMATIC and failures.keys() >= set(rows.tolist()):
                raise

    parts = [part for rows in batcher.batches(edges) for part in halved(rows)]
    return Computed(np.concatenate(parts) if parts else np.zeros((0, 0), np.float32), failures)


def _reason(error: BaseException) -> str:
    text = one_line(error)
    if isinstance(error, MemoryError | torch.OutOfMemoryError) or "allocate memory" in text:
        return "The memory does not suffice for it"
    return f"The network failed with {type(error).__name__} ({text[:_SHOWN]})"
