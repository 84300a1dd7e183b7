"""The parts of networks compute their formulas."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.polynomial.legendre import Legendre

from cryskit import elements
from cryskit.data.read import read
from cryskit.errors import DataError
from cryskit.graphs.build import build
from cryskit.layers.harmonics import OrderParameters, harmonics
from cryskit.layers.heads import PropertyHeads
from cryskit.layers.inputs import INPUTS, ElementFeatures
from cryskit.layers.message_passing import Edges, Neighbourhoods
from cryskit.layers.pool import mean_pool
from cryskit.layers.radial import Gaussians
from cryskit.types import Crystal, GraphSpec, Property

ALONE = Crystal("alone", np.eye(3) * 30.0, np.zeros((1, 3)), np.array([26]))
CRYSTALS = [ALONE, *read(Path(__file__).parents[2] / "examples")]
GRAPH = build(CRYSTALS, GraphSpec())
RADIAL = Gaussians()


def test_products_of_three_bond_features_are_normal_numbers() -> None:
    least = RADIAL.grid[RADIAL.grid > 0].min()
    assert least**3 > torch.finfo(torch.float32).tiny
    near = torch.tensor([1.23])
    torch.testing.assert_close(
        RADIAL.evaluate(near)[0, :12], torch.exp(-(((1.23 - RADIAL.centres[:12]) / 0.2) ** 2)), rtol=0, atol=1e-12
    )


def test_to_edges_is_the_sum_of_three_gathers() -> None:
    neighbourhoods = Neighbourhoods(GRAPH, 8.0, RADIAL.points)
    centre, neighbour, weights = (
        torch.randn(GRAPH.atoms, 5),
        torch.randn(GRAPH.atoms, 5),
        torch.randn(5, RADIAL.feature_count),
    )
    found = neighbourhoods.to_edges(centre, neighbour, RADIAL.grid @ weights.T)
    bonds = RADIAL.evaluate(GRAPH.vectors.norm(dim=1)) @ weights.T
    expected = centre[GRAPH.edges[0]] + neighbour[GRAPH.edges[1]] + bonds
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=2e-4)


def test_to_edges_and_sum_to_atoms_have_the_right_gradients() -> None:
    graph = build(CRYSTALS[:3], GraphSpec(count=2, radius=4.0))
    neighbourhoods = Neighbourhoods(graph, 4.0, 50)
    for row_sum in (neighbourhoods.edge_sum, neighbourhoods.edge_sum.back, neighbourhoods.atom_sum):
        row_sum.weights = row_sum.weights.double()
    inputs = [torch.randn(n, 2, dtype=torch.float64, requires_grad=True) for n in (graph.atoms, graph.atoms, 50)]
    assert torch.autograd.gradcheck(neighbourhoods.to_edges, inputs)
    messages = torch.randn(graph.edges.shape[1], 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(neighbourhoods.sum_to_atoms, messages)


def test_sum_to_atoms_sums_the_edges_of_each_atom() -> None:
    neighbourhoods = Neighbourhoods(GRAPH, 8.0, RADIAL.points)
    messages = torch.randn(GRAPH.edges.shape[1], 3)
    expected = torch.zeros(GRAPH.atoms, 3).index_add(0, GRAPH.edges[0], messages * GRAPH.weight[:, None])
    torch.testing.assert_close(neighbourhoods.sum_to_atoms(messages), expected)
    assert not neighbourhoods.sum_to_atoms(messages)[0].any()


def test_the_grid_is_as_fine_as_it_says() -> None:
    distances = torch.linspace(0.5, 8.0, 10_001)
    position = distances * ((RADIAL.points - 1) / RADIAL.radius)
    lower = position.floor().long().clamp(max=RADIAL.points - 2)
    share = (position - lower)[:, None]
    interpolated = RADIAL.grid[lower] * (1 - share) + RADIAL.grid[lower + 1] * share
    assert float((interpolated - RADIAL.evaluate(distances)).abs().max()) < 3e-5


def test_harmonics_obey_the_addition_theorem() -> None:
    generator = torch.Generator().manual_seed(0)
    left, right = torch.nn.functional.normalize(torch.randn(2, 40, 3, generator=generator, dtype=torch.float64), dim=2)
    products = harmonics(left) * harmonics(right)
    cosine = (left * right).sum(1).numpy()
    for degree in range(1, 5):
        found = products[:, degree**2 - 1 : (degree + 1) ** 2 - 1].sum(1).numpy() / (2 * degree + 1)
        np.testing.assert_allclose(found, Legendre.basis(degree)(cosine), atol=1e-12)


def test_order_parameters_of_cubic_surroundings_vanish_up_to_degree_three() -> None:
    """Six bonds along the axes: Q_1 = Q_2 = Q_3 = 0 and Q_4 > 0 (Steinhardt et al. 1983, table I)."""
    salt = next(crystal for crystal in CRYSTALS if crystal.id == "NaCl")
    graph = build([salt], GraphSpec(neighbours="nearest", count=6))
    order = OrderParameters(graph, Edges.of(graph))(torch.ones(graph.edges.shape[1], 1))
    assert float(order[:, :3].abs().max()) < 1e-6
    torch.testing.assert_close(order[:, 3] / 36, torch.full((2,), 7 / 12), rtol=1e-4, atol=0)


def test_order_parameters_have_the_right_gradients() -> None:
    graph = build([CRYSTALS[3]], GraphSpec(count=3))
    order = OrderParameters(graph, Edges.of(graph))
    for row_sum in (order.sums, order.back):
        row_sum.weights = row_sum.weights.double()
    weights = torch.randn(graph.edges.shape[1], 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(order, weights)


def test_pooling_counts_every_atom_of_the_cell() -> None:
    values = torch.randn(GRAPH.atoms, 2)
    full = torch.repeat_interleave(values, GRAPH.multiplicity.long(), dim=0)
    crystal = torch.repeat_interleave(GRAPH.crystal_of_atom, GRAPH.multiplicity.long())
    expected = torch.stack([full[crystal == i].mean(0) for i in range(GRAPH.crystals)])
    torch.testing.assert_close(mean_pool(values, GRAPH), expected)


@pytest.mark.parametrize("name", INPUTS)
def test_inputs_depend_on_the_element_alone(name: str) -> None:
    vectors = INPUTS[name](8)(torch.tensor([11, 17, 11]))
    assert torch.equal(vectors[0], vectors[2])
    assert not torch.equal(vectors[0], vectors[1])


def test_features_are_the_linear_map_of_the_element_features() -> None:
    layer = ElementFeatures(8)
    features = torch.from_numpy(elements.features()[[8, 26]])
    torch.testing.assert_close(layer(torch.tensor([8, 26])), layer.linear(features))
    assert torch.equal(layer.state_dict()["bits"].float(), torch.from_numpy(elements.features().copy()))


PROPERTIES = [Property("energy", "E", "eV"), Property("modulus", "K", "GPa", transform="log10")]
TARGETS = torch.tensor([[1.0, 10.0], [3.0, 1000.0], [torch.nan, 100.0], [2.0, -5.0]])


def test_scale_of_the_training_rows_is_undone() -> None:
    heads = PropertyHeads(4, PROPERTIES)
    heads.fit_scale(TARGETS)
    torch.testing.assert_close(heads.mean, torch.tensor([2.0, 2.0]))
    torch.testing.assert_close(heads.deviation, torch.tensor([1.0, 1.0]))
    standardised = heads.standardised(TARGETS)
    assert standardised.isnan().sum() == 2, "an unknown value, and a modulus that has no logarithm"
    known = ~standardised.isnan()
    torch.testing.assert_close(heads.physical(standardised.nan_to_num())[known], TARGETS[known])


def test_a_property_without_labels_is_refused() -> None:
    with pytest.raises(DataError, match="1 usable values of modulus"):
        PropertyHeads(4, PROPERTIES).fit_scale(torch.tensor([[1.0, 2.0], [2.0, torch.nan]]))
