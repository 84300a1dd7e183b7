"""The table of strengths names every bit."""

from __future__ import annotations

import pytest
import torch

from cryskit.encoders.cgcnn import CGCNN
from cryskit.errors import ModelError
from cryskit.explain.selector import strength_table


def test_every_bit_has_its_name_block_and_strength() -> None:
    encoder = CGCNN(width=8, layers=1, inputs="selector")
    with torch.no_grad():
        encoder.inputs.gate.bit[17] = -1.0
    table = strength_table(encoder)
    assert table["strength"].tolist() == encoder.inputs.strengths().tolist()
    assert table.loc[17].tolist() == ["group 17", "group", 0.0]
    assert len(table) == 92


def test_an_encoder_without_selector_is_refused() -> None:
    with pytest.raises(ModelError, match="no feature selector"):
        strength_table(CGCNN(width=8, layers=1))
