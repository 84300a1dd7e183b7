"""Weights on disk: safetensors files, written whole or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from safetensors.torch import save

from cryskit.atomic_write import replacing

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import torch


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
