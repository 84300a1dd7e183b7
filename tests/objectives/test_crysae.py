"""CrysAE's losses are the published ones where nothing is masked, and ask for what is masked where something is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from contracts.settings import sized
from torch.nn.functional import binary_cross_entropy_with_logits, log_softmax, nll_loss

from cryskit import batching, elements
from cryskit.data.read import read
from cryskit.errors import PlanError, UnknownNameError
from cryskit.graphs.build import build
from cryskit.losses.corruption import mask
from cryskit.objectives.crysae import PRESETS, CrysAE
from cryskit.registry import ENCODERS, OBJECTIVES
from cryskit.training.fit import fit
from cryskit.training.plan import Optimisation
from cryskit.types import Crystal, Graph

pytestmark = pytest.mark.usefixtures("graphs_built_once")

CRYSTALS = [c for c in read(Path(__file__).parents[2] / "examples") if isinstance(c, Crystal)]


def made(encoder: str = "cgcnn", neighbours: str = "smooth", **settings: Any) -> tuple[CrysAE, Graph]:
    torch.manual_seed(0)
    small = {"name": encoder, **sized(encoder, width=8, layers=2)}
    small |= {"channels": 4} if encoder == "steinhardt" else {"neighbours": neighbours} if encoder == "cgcnn" else {}
    objective = CrysAE(ENCODERS.build(small), **settings)
    return objective, build(CRYSTALS, objective.needs)


def plainly(objective: CrysAE, graph: Graph) -> dict[str, float]:
    """The published losses as a loop over crystals with every pair side by side."""
    atoms = objective.encoder(graph).atoms
    losses: dict[str, list[float]] = {name: [] for name in objective.weights}
    for crystal in range(graph.crystals):
        rows = (graph.crystal_of_atom == crystal).nonzero()[:, 0]
        n, own = len(rows), atoms[rows]
        counts = torch.zeros(n, n, 4)
        for (i, j), vector in zip(graph.edges.T.tolist(), graph.vectors, strict=True):
            if i in rows:
                counts[i - rows[0], j - rows[0], min(max(round(float(vector.norm())), 1), 4) - 1] += 1
        truth = torch.tensor(elements.features()).float()[graph.numbers[rows]]
        losses["bits"].append(float(binary_cross_entropy_with_logits(objective.bits.decoder(own), truth)))
        scores = {
            name: torch.einsum("id,dke,je->ijk", own, decoder.weight, own) + decoder.bias
            for name, decoder in objective.connections.named_children()
        }
        target = counts.sum(2).clamp_max(5).long().flatten()
        logs = log_softmax(scores["connectivity"].flatten(0, 1), dim=1)
        losses["connectivity"].append(float(nll_loss(logs, target, weight=torch.tensor([0.1, 1, 1, 1, 1, 1]))))
        losses["lengths"].append(float(binary_cross_entropy_with_logits(scores["lengths"], counts.clamp_max(1))))
    return {name: float(np.mean(each)) for name, each in losses.items()}


def test_the_paper_preset_is_the_loop_over_crystals() -> None:
    objective, graph = made(neighbours="nearest", preset="paper")
    objective.eval()
    with torch.no_grad():
        found = {name: float(loss) for name, loss in objective(graph).items()}
        assert found == pytest.approx(plainly(objective, graph), rel=1e-4)


def test_presets_weigh_as_published() -> None:
    assert made(preset="paper")[0].weights == {"bits": 1.0, "connectivity": 1.0, "lengths": 1.0}
    assert made(preset="code")[0].weights == {"bits": 0.1, "connectivity": 0.9}
    assert made(preset="code", bits=0.5)[0].weights["bits"] == 0.5
    assert not made(preset="paper")[0].needs.reduce


@pytest.mark.parametrize("encoder", list(ENCODERS))
@pytest.mark.parametrize("preset", list(PRESETS))
def test_every_encoder_learns_from_every_preset(encoder: str, preset: str) -> None:
    objective, graph = made(encoder, preset=preset)
    losses = objective(graph)
    assert set(losses) == set(objective.weights)
    torch.stack(list(losses.values())).sum().backward()
    lacking = {name for name, p in objective.named_parameters() if p.grad is None or not p.grad.isfinite().all()}
    crystals_only = set() if preset == "masked" else behind_the_atoms(objective.encoder, graph)
    assert lacking <= crystals_only


def behind_the_atoms(encoder: torch.nn.Module, graph: Graph) -> set[str]:
    """Names of the parameters that no atom vector depends on: those of the read-out."""
    encoder.zero_grad()
    encoder(graph).atoms.sum().backward()
    return {f"encoder.{name}" for name, p in encoder.named_parameters() if p.grad is None}


@pytest.mark.parametrize("preset", list(PRESETS))
def test_a_batch_has_the_mean_of_its_crystals(preset: str) -> None:
    objective, graph = made(preset=preset, mask_fraction=0.0, volume_noise=0.0, scale=0.0)
    objective.eval()
    with torch.no_grad():
        whole = objective(graph)
        parts = [objective(part) for part in batching.split(graph)]
    for name in whole:
        torch.testing.assert_close(
            whole[name], torch.stack([part[name] for part in parts]).mean(), rtol=1e-4, atol=1e-5
        )


def test_orbits_have_the_loss_of_their_atoms() -> None:
    full, graph = made(preset="paper")
    reduced, smaller = made(preset="paper", reduce=True)
    assert smaller.atoms < graph.atoms
    reduced.load_state_dict(full.state_dict())
    torch.testing.assert_close(full.eval()(graph)["bits"], reduced.eval()(smaller)["bits"], rtol=1e-4, atol=1e-5)


def shown_and_masked(graph: Graph, share: float) -> tuple[np.ndarray, np.ndarray]:
    covered, shown = mask(graph, share, torch.Generator().manual_seed(0))
    return covered.numpy(), shown.numpy()


def test_masked_elements_are_not_seen() -> None:
    graph = made()[1]
    covered, shown = shown_and_masked(graph, 1.0)
    assert covered.all()
    assert 0.2 < (shown == 0).mean() < 0.8
    objective, _ = made(mask_fraction=0.5)
    seen: list[Graph] = []
    objective.encoder.register_forward_pre_hook(lambda _module, given: seen.append(given[0]))
    objective.eval()(graph)
    assert (seen[0].numbers != graph.numbers).any()
    assert (seen[0].numbers == graph.numbers).any()


def test_every_crystal_masks_at_least_one_element_and_all_its_atoms() -> None:
    graph = made(reduce=False)[1]
    covered, shown = shown_and_masked(graph, 1e-9)
    numbers, crystals = graph.numbers.numpy(), graph.crystal_of_atom.numpy()
    assert (shown[~covered] == numbers[~covered]).all()
    for crystal in range(graph.crystals):
        inside = crystals == crystal
        (masked,) = set(numbers[inside & covered])
        assert covered[inside & (numbers == masked)].all()


def test_features_of_masked_atoms_weigh_four_times_those_that_are_seen() -> None:
    objective, graph = made(mask_fraction=0.5, connectivity=0.0, scale=0.0, volume_noise=0.0)
    objective.eval()
    covered, shown = mask(graph, 0.5, torch.Generator().manual_seed(0))
    with torch.no_grad():
        logits = objective.bits.decoder(objective.encoder(replace(graph, numbers=shown)).atoms)
        truth = objective.bits.table[graph.numbers].float()
        each = binary_cross_entropy_with_logits(logits, truth, reduction="none").mean(1)
        weight = graph.multiplicity * torch.where(covered, 1.0, 0.25)
        totals = [torch.zeros(graph.crystals).index_add(0, graph.crystal_of_atom, x) for x in (each * weight, weight)]
        torch.testing.assert_close(objective(graph)["bits"], (totals[0] / totals[1]).mean(), rtol=1e-4, atol=1e-6)


def test_displacements_and_volume_scaling_are_what_the_decoders_are_asked_for() -> None:
    objective, graph = made(displacements=1.0, position_noise=0.1, scale=1.0, mask_fraction=0.0, reduce=False)
    seen: list[Graph] = []
    objective.encoder.register_forward_pre_hook(lambda _module, given: seen.append(given[0]))
    objective.eval()(graph)
    (corrupted,) = seen
    stretched = corrupted.vectors.norm(dim=1) / graph.vectors.norm(dim=1)
    assert 0.01 < float(stretched.log().std()) < 0.3
    assert made()[0].corruption.position_noise == 0
    still, graph = made(scale=1.0, volume_noise=0.2, mask_fraction=0.0)
    seen.clear()
    still.encoder.register_forward_pre_hook(lambda _module, given: seen.append(given[0]))
    still.eval()(graph)
    factor = seen[0].vectors.norm(dim=1) / graph.vectors.norm(dim=1)
    crystal = graph.crystal_of_atom[graph.edges[0]]
    for each in range(graph.crystals):
        assert float(factor[crystal == each].std(unbiased=False)) < 1e-5
    assert float(factor.std()) > 0.02


def test_displacing_orbits_is_refused() -> None:
    with pytest.raises(PlanError, match="reduce"):
        made(displacements=1.0, position_noise=0.1, reduce=True)
    with pytest.raises(PlanError, match="position_noise"):
        made(displacements=1.0, reduce=False)


def test_an_unknown_preset_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="masked"):
        made(preset="maskd")


def test_what_is_drawn_changes_with_each_step_and_repeats_from_a_saved_state() -> None:
    objective, graph = made()
    objective.train()
    first, second = objective(graph), objective(graph)
    assert not first["bits"].equal(second["bits"])
    state = {name: tensor.clone() for name, tensor in objective.state_dict().items()}
    third = objective(graph)
    objective.load_state_dict(state)
    torch.testing.assert_close(objective(graph), third)


def test_it_is_built_from_its_name() -> None:
    encoder = ENCODERS.build({"name": "cgcnn", "width": 8, "layers": 1})
    objective = OBJECTIVES.build({"name": "crysae", "encoder": encoder, "preset": "code", "bits": 0.3})
    assert objective.weights == {"bits": 0.3, "connectivity": 0.9}


def test_training_rebuilds_crystals(tmp_path: Path) -> None:
    torch.manual_seed(0)
    objective = CrysAE(ENCODERS.build({"name": "cgcnn", "width": 16, "layers": 2}), preset="paper", reduce=True)
    graph = build(CRYSTALS, objective.needs)
    before = {name: float(loss.detach()) for name, loss in objective.eval()(graph).items()}
    optimisation = Optimisation(epochs=40, edges=1000, averaging=0, rate=0.01)
    fit(objective, graph, graph, optimisation, tmp_path)
    after = {name: float(loss.detach()) for name, loss in objective(graph).items()}
    assert all(after[name] < 0.6 * before[name] for name in before), (before, after)
