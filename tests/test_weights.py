"""Weights on disk: what half precision holds exactly takes half the space, and nothing else changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from safetensors.torch import load_file

from cryskit.weights import compact, rounded, save_tensors

if TYPE_CHECKING:
    from pathlib import Path

TENSORS = {
    "weight": torch.linspace(-1, 1, 1001),
    "large": torch.tensor([1e6, 1.0]),
    "unknown": torch.tensor([torch.nan, 1.0]),
    "double": torch.linspace(0, 1, 7, dtype=torch.double),
    "count": torch.arange(5),
}


def test_compact_loses_nothing() -> None:
    found = compact(TENSORS | {"half": TENSORS["weight"].half().float()})
    assert found["half"].dtype is torch.float16
    for name, tensor in TENSORS.items():
        assert found[name].dtype is tensor.dtype
        assert torch.equal(found[name].nan_to_num(), tensor.nan_to_num())


def test_rounded_weights_take_half_the_space(tmp_path: Path) -> None:
    near = rounded(TENSORS)
    assert 0 < (near["weight"] - TENSORS["weight"]).abs().max() < 5e-4
    assert torch.equal(near["large"], TENSORS["large"])
    save_tensors(TENSORS, {}, tmp_path / "whole")
    save_tensors(compact(near), {}, tmp_path / "half")
    assert (tmp_path / "half").stat().st_size < (tmp_path / "whole").stat().st_size - 1900
    assert torch.equal(load_file(tmp_path / "half")["weight"].float(), near["weight"])
