"""The reference network and cryskit's are the same function: its weights converted, the numbers are the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from pymatgen.core import Structure

from benchmarks.speed import reference
from cryskit import elements, load
from cryskit.errors import ModelError
from cryskit.predict.from_cgcnn import from_published_cgcnn
from cryskit.properties import get
from cryskit.types import GraphSpec

if TYPE_CHECKING:
    from pathlib import Path

    from cryskit.types import Crystal

ENERGY = get("formation_energy_per_atom")
MEAN, DEVIATION = -1.5, 0.8


@pytest.fixture(scope="module")
def structures(crystals: list[Crystal]) -> list[Structure]:
    return [Structure(c.lattice, c.numbers, c.fractional) for c in crystals]


@pytest.fixture(scope="module")
def tensors(structures: list[Structure]) -> list[reference.Tensors]:
    return [reference.graph(structure) for structure in structures]


def network(tensors: list[reference.Tensors], depth: int = 1) -> reference.Network:
    """A random network whose batch norms have seen these crystals and whose outputs differ from crystal to crystal."""
    torch.manual_seed(depth)
    made = reference.Network(depth=depth)
    with torch.no_grad():
        for name, parameter in made.named_parameters():
            if "bn" in name:
                parameter.add_(0.3 * torch.randn_like(parameter))
        made.fc_out.weight.mul_(20)
    batch = reference.collate(tensors, [0.0] * len(tensors))
    for _ in range(5):
        made(batch.tensors, batch.rows)
    return made.eval()


@torch.no_grad()
def published(made: reference.Network, tensors: list[reference.Tensors]) -> np.ndarray:
    batch = reference.collate(tensors, [0.0] * len(tensors))
    return (made(batch.tensors, batch.rows)[:, 0] * DEVIATION + MEAN).numpy()


def ends_with_a_shell(structure: Structure) -> bool:
    """Tell whether the twelfth neighbour of every atom is the last one of its shell."""
    distances = [sorted(n.nn_distance for n in found) for found in structure.get_all_neighbors(reference.RADIUS)]
    return all(len(d) == 12 or (len(d) > 12 and d[12] - d[11] > 5e-3) for d in distances)


@pytest.mark.parametrize("depth", [1, 3])
def test_converted_weights_give_the_published_numbers(
    crystals: list[Crystal], tensors: list[reference.Tensors], depth: int
) -> None:
    made = network(tensors, depth)
    expected = published(made, tensors)
    predictor = from_published_cgcnn(made.state_dict(), ENERGY, MEAN, DEVIATION)
    found = predictor.predict(crystals)[ENERGY.name]
    assert expected.std() > 0.01
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4 * expected.std())


def test_symmetry_reduction_gives_them_too_where_the_cut_ends_a_shell(
    crystals: list[Crystal], structures: list[Structure], tensors: list[reference.Tensors]
) -> None:
    chosen = [i for i, structure in enumerate(structures) if ends_with_a_shell(structure)]
    assert len(chosen) >= 10
    made = network(tensors)
    predictor = from_published_cgcnn(made.state_dict(), ENERGY, MEAN, DEVIATION, spec=GraphSpec(neighbours="nearest"))
    expected = published(made, tensors)[chosen]
    found = predictor.predict([crystals[i] for i in chosen])[ENERGY.name]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4 * expected.std())


def test_the_model_file_gives_them_too(
    crystals: list[Crystal], tensors: list[reference.Tensors], tmp_path: Path
) -> None:
    made = network(tensors, depth=2)
    predictor = from_published_cgcnn(made.state_dict(), ENERGY, MEAN, DEVIATION)
    predictor.save(tmp_path / "published.safetensors")
    found = load(tmp_path / "published.safetensors").predict(crystals)[ENERGY.name]
    np.testing.assert_array_equal(found, predictor.predict(crystals)[ENERGY.name])


def test_a_property_learned_as_logarithm_is_given_in_its_unit(
    crystals: list[Crystal], tensors: list[reference.Tensors]
) -> None:
    made = network(tensors)
    modulus = get("bulk_modulus")
    predictor = from_published_cgcnn(made.state_dict(), modulus, MEAN, DEVIATION)
    np.testing.assert_allclose(predictor.predict(crystals)[modulus.name], 10 ** published(made, tensors), rtol=1e-3)


def test_another_element_table_is_used(crystals: list[Crystal], tensors: list[reference.Tensors]) -> None:
    made = network(tensors)
    table = torch.from_numpy(np.roll(elements.features(), 1, axis=0))
    crystal, its = crystals[0], tensors[0]
    shifted = its._replace(features=table[crystal.numbers])
    predictor = from_published_cgcnn(made.state_dict(), ENERGY, MEAN, DEVIATION, table=table)
    found = predictor.predict([crystal])[ENERGY.name]
    np.testing.assert_allclose(found, published(made, [shifted]), rtol=1e-4)
    assert abs(found[0] - published(made, [its])[0]) > 1e-3


@pytest.mark.parametrize("change", ["missing", "unknown", "shape", "table"])
def test_another_state_is_refused(change: str) -> None:
    state = dict(reference.Network().state_dict())
    table = None
    if change == "missing":
        del state["convs.1.bn1.weight"]
    elif change == "unknown":
        state["attention.weight"] = torch.zeros(3)
    elif change == "shape":
        state["convs.0.fc_full.weight"] = torch.zeros(128, 160)
    else:
        table = torch.zeros(10, 92)
    with pytest.raises(ModelError, match="published CGCNN"):
        from_published_cgcnn(state, ENERGY, MEAN, DEVIATION, table=table)
