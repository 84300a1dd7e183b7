"""Targets of reconstruction, counted by weight."""

from __future__ import annotations

import torch

from cryskit.losses.reconstruction import CLASSES, _between_classes


def test_a_whole_number_of_edges_is_one_class_and_others_are_shared() -> None:
    counts = torch.tensor([[[0.0, 5.0, 2.25]]])
    found = _between_classes(counts)[0, 0].T
    assert found.shape == (3, CLASSES)
    expected = torch.zeros(3, CLASSES)
    expected[0, 0] = expected[1, 5] = 1
    expected[2, 2], expected[2, 3] = 0.75, 0.25
    torch.testing.assert_close(found, expected)
