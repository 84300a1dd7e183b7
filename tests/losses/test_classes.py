"""The loss of classes weighs them as asked, leaves out missing labels, and gives probabilities that are true."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.utils.class_weight import compute_class_weight

from cryskit.errors import DataError
from cryskit.layers.heads import PropertyHeads
from cryskit.losses.supervised import Supervision
from cryskit.predict.classes import logits_of, softmax
from cryskit.types import Property

GAP = Property("band_gap", "E_g", "eV")
METAL = Property("metal", "", "", kind="class", classes=("insulator", "metal"))
KIND = Property("kind", "", "", kind="class", classes=("a", "b", "c"))


def heads(*properties: Property) -> PropertyHeads:
    torch.manual_seed(0)
    return PropertyHeads(4, properties, hidden=8)


@pytest.mark.parametrize("wanted", [METAL, KIND], ids=["two classes", "three classes"])
def test_balanced_weights_are_those_of_scikit_learn(wanted: Property) -> None:
    labels = np.array([0, 0, 0, 1, 0, 1, *([2] * 3 if wanted is KIND else [])])
    model = heads(wanted)
    model.fit_scale(torch.tensor(labels[:, None], dtype=torch.float32))
    vectors = torch.randn(len(labels), 4)
    loss = Supervision(model).losses(model(vectors), torch.tensor(labels[:, None], dtype=torch.float32))[wanted.name]
    likelihoods = np.log(softmax(logits_of(model(vectors).detach().numpy())))[np.arange(len(labels)), labels]
    weights = compute_class_weight("balanced", classes=np.unique(labels), y=labels)[labels]
    assert loss.item() == pytest.approx(-(weights * likelihoods).mean(), rel=1e-5)


@pytest.mark.parametrize("wanted", [METAL, KIND], ids=["two classes", "three classes"])
def test_without_weights_it_is_the_cross_entropy_of_what_is_predicted(wanted: Property) -> None:
    labels = np.array([0, 0, 0, 1, 2 if wanted is KIND else 1])
    model = heads(wanted)
    model.fit_scale(torch.tensor(labels[:, None], dtype=torch.float32))
    vectors = torch.randn(len(labels), 4)
    loss = Supervision(model, class_weights="none").losses(
        model(vectors), torch.tensor(labels[:, None], dtype=torch.float32)
    )
    physical = model.physical(model(vectors)).detach().numpy()
    likelihoods = np.log(softmax(logits_of(physical)))[np.arange(len(labels)), labels]
    assert loss[wanted.name].item() == pytest.approx(-likelihoods.mean(), rel=1e-5)


def test_mixed_tasks_leave_out_missing_labels_and_each_other() -> None:
    nan = float("nan")
    targets = torch.tensor([[1.0, 1.0, nan], [2.0, nan, 2.0], [nan, 0.0, 0.0], [4.0, 1.0, 1.0], [nan, nan, nan]])
    model = heads(GAP, METAL, KIND)
    model.fit_scale(targets)
    vectors = torch.randn(5, 4)
    supervision = Supervision(model)
    losses = supervision.losses(model(vectors), targets)
    assert supervision.sizes(targets) == {"band_gap": 3, "metal": 3, "kind": 3}
    for column, name in enumerate(("band_gap", "metal", "kind")):
        known = ~targets[:, column].isnan()
        alone = supervision.losses(model(vectors[known]), torch.where(torch.arange(3) == column, targets[known], nan))
        assert losses[name].item() == pytest.approx(alone[name].item(), rel=1e-5)
        assert sum(loss.item() for loss in alone.values()) == pytest.approx(alone[name].item())
    sum(losses.values()).backward()
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters())


def test_a_scalar_next_to_classes_is_learned_as_it_is_alone() -> None:
    """Columns of classes change neither the outputs of a scalar nor its scale."""
    alone, both = heads(GAP), heads(GAP, KIND)
    with torch.no_grad():
        for name, tensor in alone.state_dict().items():
            both.state_dict()[name][: len(tensor)] = tensor
    values = torch.tensor([[1.0], [2.0], [4.0]])
    alone.fit_scale(values)
    both.fit_scale(torch.cat([values, torch.tensor([[0.0], [1.0], [2.0]])], dim=1))
    vectors = torch.randn(3, 4)
    assert torch.allclose(both.physical(both(vectors))[:, :1], alone.physical(alone(vectors)), atol=1e-6)
    left = Supervision(both).losses(both(vectors), torch.cat([values, values * torch.nan], 1))["band_gap"]
    assert left.item() == pytest.approx(Supervision(alone).losses(alone(vectors), values)["band_gap"].item(), rel=1e-6)


def test_labels_of_one_class_are_refused() -> None:
    with pytest.raises(DataError, match="All 3 training labels of metal are metal"):
        heads(METAL).fit_scale(torch.ones(3, 1))


@pytest.mark.parametrize("weights", ["balanced", "none"])
def test_planted_probabilities_are_found_whatever_the_weights(weights: str) -> None:
    """One in ten is a metal, with a probability that depends on one number: what is predicted is that probability."""
    generator = torch.Generator().manual_seed(1)
    vectors = torch.randn(20_000, 4, generator=generator)
    true = torch.sigmoid(2 * vectors[:, 0] - 3)
    labels = (torch.rand(20_000, generator=generator) < true).float()[:, None]
    model = heads(METAL)
    model.fit_scale(labels)
    supervision = Supervision(model, class_weights=weights)  # type: ignore[arg-type]
    optimiser = torch.optim.Adam(model.parameters(), lr=0.03)
    for _ in range(150):
        optimiser.zero_grad()
        supervision.losses(model(vectors), labels)["metal"].backward()
        optimiser.step()
    found = model.physical(model(vectors)).sigmoid()[:, 0].detach()
    assert (found - true).abs().mean().item() < 0.02
    assert found.mean().item() == pytest.approx(labels.mean().item(), abs=0.01)


def test_trained_perceptrons_of_classes_are_taken_with_their_predictions() -> None:
    trained, fresh = heads(GAP, KIND), heads(METAL, KIND)
    trained.fit_scale(torch.tensor([[1.0, 0.0], [2.0, 1.0], [5.0, 2.0], [5.0, 2.0]]))
    fresh.fit_scale(torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [1.0, 2.0]]))
    assert fresh.take(trained) == ["kind"]
    vectors = torch.randn(6, 4)
    left, right = (one.physical(one(vectors))[:, 1:] for one in (trained, fresh))
    assert torch.allclose(left, right, atol=1e-5)
