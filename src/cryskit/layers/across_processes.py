"""Sums over the processes of a run, which all work on shares of the same batch."""

from __future__ import annotations

from typing import Any

import torch.distributed
from torch import Tensor
from torch.autograd import Function

from cryskit.layers.message_passing import apply


def processes() -> int:
    """Return the number of processes of the run; 1 where there is no other."""
    return torch.distributed.get_world_size() if torch.distributed.is_available() and _begun() else 1


def summed(values: Tensor) -> Tensor:
    """Return the sum of the values of all processes; all of them have to call this, in the same order.

    Its gradient is the sum of the gradients of all processes.

    Args:
        values: Numbers of this process; those of all processes have one shape.
    """
    if processes() == 1:
        return values
    return apply(_Sum, values)


class _Sum(Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        del ctx
        return _all(values)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        del ctx
        return _all(grad)


def _all(values: Tensor) -> Tensor:
    found = values.detach().clone(memory_format=torch.contiguous_format)
    torch.distributed.all_reduce(found)
    return found


def _begun() -> bool:
    return torch.distributed.is_initialized()
