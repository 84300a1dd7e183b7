"""Weights on disk: safetensors files, written whole or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from safetensors.torch import save

from cryskit.atomic_write import replacing

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def save_tensors(tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, str], path: Path) -> None:
    """Write tensors and metadata; a reader sees the old file or the new one, whole.

    Args:
        tensors: May share memory; each is written by itself.
        metadata: Texts by name.
        path: The file; its folder is made.
    """
    with replacing(path) as temporary:
        separate = {name: tensor.detach().cpu().clone().contiguous() for name, tensor in tensors.items()}
        temporary.write_bytes(save(separate, dict(metadata)))


def rounded(tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return weights of single precision rounded to what half precision holds, so that `compact` halves their size.

    Args:
        tensors: Weights by name; those of another kind, or too large for half precision, stay as they are.
    """
    found = {name: tensor.half().float() for name, tensor in tensors.items() if tensor.dtype is torch.float32}
    return dict(tensors) | {name: tensor for name, tensor in found.items() if tensor.isfinite().all()}


def compact(tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return tensors of single precision in half precision where that holds every number exactly; others as they are.

    Args:
        tensors: Tensors by name.
    """
    halves = {name: tensor.half() for name, tensor in tensors.items() if tensor.dtype is torch.float32}
    return dict(tensors) | {name: half for name, half in halves.items() if torch.equal(half.float(), tensors[name])}
