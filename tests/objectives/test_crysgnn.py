"""CrysGNN's losses are the published ones where nothing is masked; symmetry is learned from detected labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, log_softmax, nll_loss, normalize

from cryskit import batching, elements
from cryskit.data.read import read
from cryskit.errors import PlanError, UnknownNameError
from cryskit.graphs.build import build
from cryskit.losses.ntxent import NTXent
from cryskit.objectives.crysgnn import PRESETS, CrysGNN
from cryskit.registry import ENCODERS, OBJECTIVES
from cryskit.training.fit import fit
from cryskit.training.plan import Optimisation
from cryskit.types import Crystal, Graph

pytestmark = pytest.mark.usefixtures("graphs_built_once")

CRYSTALS = [c for c in read(Path(__file__).parents[2] / "examples") if isinstance(c, Crystal)]


def made(neighbours: str = "smooth", **settings: Any) -> tuple[CrysGNN, Graph]:
    torch.manual_seed(0)
    encoder = ENCODERS.build({"name": "cgcnn", "width": 8, "layers": 2, "neighbours": neighbours})
    objective = CrysGNN(encoder, **settings)
    return objective, build(CRYSTALS, objective.needs)


def plainly(objective: CrysGNN, graph: Graph) -> dict[str, float]:
    """The published losses, every pair of the batch side by side."""
    atoms = normalize(objective.encoder(graph).atoms, dim=1)
    truth = torch.tensor(elements.features()).float()[graph.numbers]
    logs, targets, crystals = [], [], []
    decoder = objective.connections.connectivity
    for crystal in range(graph.crystals):
        rows = (graph.crystal_of_atom == crystal).nonzero()[:, 0]
        own, counts = atoms[rows], torch.zeros(len(rows), len(rows))
        for i, j in graph.edges.T.tolist():
            if i in rows:
                counts[i - rows[0], j - rows[0]] += 1
        scores = torch.einsum("id,dke,je->ijk", own, decoder.weight, own) + decoder.bias
        logs.append(log_softmax(scores.flatten(0, 1), dim=1))
        targets.append(counts.clamp_max(5).long().flatten())
        crystals.append(own.mean(0))
    vectors = torch.stack(crystals)
    weight = torch.tensor([0.1, 1, 1, 1, 1, 1])
    group, system = graph.symmetry.T
    losses = {
        "bits": binary_cross_entropy_with_logits(objective.bits.decoder(atoms), truth),
        "connectivity": nll_loss(torch.cat(logs), torch.cat(targets), weight=weight),
        "space_group": cross_entropy(objective.space_group(vectors), group - 1),
        "contrast": NTXent(0.07)(vectors, system),
    }
    return {name: 0.25 * float(loss) for name, loss in losses.items()}


def test_the_paper_preset_is_a_quarter_of_each_loss_over_the_whole_batch() -> None:
    objective, graph = made(neighbours="nearest", preset="paper")
    objective.eval()
    with torch.no_grad():
        found = {name: float(loss) for name, loss in objective(graph).items()}
        assert found == pytest.approx(plainly(objective, graph), rel=1e-4)
    assert not objective.needs.reduce


def test_in_the_mean_over_crystals_a_large_cell_counts_no_more_than_a_small_one() -> None:
    objective, graph = made(mask_fraction=0.0, volume_noise=0.0, scale=0.0, contrast=0.0, descriptors=0.0)
    objective.eval()
    whole = objective(graph)
    parts = [objective(part) for part in batching.split(graph)]
    for name, loss in whole.items():
        torch.testing.assert_close(loss, torch.stack([part[name] for part in parts]).mean(), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("preset", list(PRESETS))
def test_presets_have_a_gradient_in_every_parameter(preset: str) -> None:
    objective, graph = made(preset=preset)
    losses = objective(graph)
    assert set(losses) == set(objective.weights)
    torch.stack(list(losses.values())).sum().backward()
    without = [name for name, p in objective.named_parameters() if p.grad is None or not p.grad.any()]
    assert not without


def test_the_encoder_is_not_shown_the_symmetry() -> None:
    objective, graph = made()
    seen: list[Graph] = []
    objective.encoder.register_forward_pre_hook(lambda _module, given: seen.append(given[0]))
    objective.eval()(graph)
    encoding = objective.encoder(seen[0])
    graph.symmetry.fill_(1)
    torch.testing.assert_close(objective.encoder(seen[0]).atoms, encoding.atoms)


def test_weights_can_be_given_one_by_one() -> None:
    objective, _ = made(preset="paper", contrast=0.0, bits=2.0)
    assert objective.weights == {"bits": 2.0, "connectivity": 0.25, "space_group": 0.25}
    with pytest.raises(PlanError, match="weight 0"):
        made(preset="paper", bits=0.0, connectivity=0.0, space_group=0.0, contrast=0.0)
    with pytest.raises(PlanError, match="volume_noise"):
        made(volume_noise=0.0)
    with pytest.raises(UnknownNameError, match="paper"):
        made(preset="papr")


def test_a_graph_without_symmetry_is_refused() -> None:
    objective, _ = made()
    with pytest.raises(PlanError, match="needs"):
        objective(build(CRYSTALS, objective.encoder.needs))


def test_training_tells_space_groups_apart(tmp_path: Path) -> None:
    torch.manual_seed(0)
    encoder = ENCODERS.build({"name": "cgcnn", "width": 16, "layers": 3})
    objective = OBJECTIVES.build({"name": "crysgnn", "encoder": encoder, "preset": "paper", "reduce": True})
    graph = build(CRYSTALS, objective.needs)
    before = {name: float(loss.detach()) for name, loss in objective.eval()(graph).items()}
    fit(objective, graph, graph, Optimisation(epochs=100, edges=10**5, averaging=0, rate=0.03), tmp_path)
    after = {name: float(loss.detach()) for name, loss in objective(graph).items()}
    assert after["space_group"] < 0.4 * before["space_group"]
    assert after["contrast"] < 0.2 * before["contrast"]
