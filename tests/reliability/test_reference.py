"""What nearest training crystals say is what a search over all of them finds."""

from __future__ import annotations

import numpy as np
import torch

from cryskit.reliability.reference import EVIDENCE, NEAR, Reference


def made(crystals: int = 300) -> tuple[Reference, torch.Tensor, torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    vectors = torch.randn(crystals, 12) * torch.linspace(3, 0.1, 12)
    labels, predictions = torch.randn(crystals, 2), torch.randn(crystals, 2)
    labels[::3, 1] = torch.nan
    return Reference.fit(vectors, predictions, labels, components=12), vectors, labels, predictions


def test_neighbours_are_those_of_the_vectors() -> None:
    reference, vectors, _, _ = made()
    found = reference.nearest(vectors[:20], 5)
    distances = torch.cdist(vectors[:20], vectors)
    assert torch.equal(found.rows[:, 0], torch.arange(20))
    agree = (found.rows == distances.topk(5, largest=False).indices).float().mean()
    assert agree > 0.95, "points are kept in half precision"
    scale = distances[found.rows[:, 4].new_tensor(range(20)), found.rows[:, 4]] / found.distances[:, 4]
    torch.testing.assert_close(scale, scale.mean().expand(20), rtol=0.02, atol=0)


def test_evidence_is_of_the_nearest_that_have_a_label() -> None:
    reference, _, labels, predictions = made()
    torch.manual_seed(1)
    vectors, asked = torch.randn(4, 12), torch.zeros(4, 2)
    evidence = reference.evidence(vectors, asked)
    rows = reference.nearest(vectors).rows
    for crystal in range(4):
        for column in range(2):
            known = [row for row in rows[crystal].tolist() if not labels[row, column].isnan()][:NEAR]
            values = labels[known, column]
            wanted = {
                "spread": values.std(correction=0),
                "disagreement": values.mean().abs(),
                "nearest disagreement": values[0].abs(),
                "residual": (values - predictions[known, column]).abs().mean(),
            }
            for name, value in wanted.items():
                found = evidence[crystal, column, EVIDENCE.index(name)].exp() - 3e-3
                np.testing.assert_allclose(found, value, rtol=5e-3, atol=2e-3)
            assert evidence[crystal, column, EVIDENCE.index("unlabelled")] == 0


def test_without_labels_nothing_is_said_of_them() -> None:
    _, vectors, labels, predictions = made()
    silent = Reference.fit(vectors, predictions, torch.full_like(labels, torch.nan), components=4)
    evidence = silent.evidence(vectors[:3], predictions[:3])
    assert evidence.isfinite().all()
    assert (evidence[..., 2:6] == 0).all()
    assert (evidence[..., 6] == 1).all()


def test_sizes_rebuild_it_and_few_crystals_are_enough() -> None:
    reference, vectors, _, predictions = made(2)
    again = Reference(**reference.sizes)
    again.load_state_dict(reference.state_dict())
    assert torch.equal(again.evidence(vectors, predictions), reference.evidence(vectors, predictions))
    assert again.nearest(vectors).distances.shape == (2, 2)
