"""How much predictions change when crystals change by less than any calculation can tell, and how much errors grow.

    python -m benchmarks.studies.continuity --data runs/corpus/labelled.parquet --split benchmarks/splits/corpus-known.json \
        --model cryskit-mp --model runs/old/cryskit-mp.safetensors

The crystals are drawn from test crystals. The true formation energy of a relaxed crystal changes by less than 0.001 eV/atom in
each of the changes. The card has a row for each model and change, the mean errors as the crystals are and changed, and the
prediction for silicon along a strain, from -1 to 1 % in 201 steps, as the largest step and as a curve.
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from benchmarks.speed import machine
from cryskit.atomic_write import write_json
from cryskit.data.interchange import manifest
from cryskit.data.read import read
from cryskit.data.splits import Split
from cryskit.graphs.build import build
from cryskit.plots.style import BLUE, INK, ORANGE, new_figure, plain_axes, save
from cryskit.predict.card import digest
from cryskit.predict.load import load
from cryskit.predict.published import path_of
from cryskit.types import Crystal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from cryskit.predict.predictor import Predictor

PROPERTIES = ("formation_energy_per_atom", "band_gap")
"""Properties whose changes are measured."""
STRAINS = np.linspace(-0.01, 0.01, 201)
"""Strains of silicon along one axis; the other two are strained by half of it, with the other sign."""


def changed(crystal: Crystal, rng: np.random.Generator, *, jitter: float = 0.0, strain: float = 0.0) -> Crystal:
    """Return a crystal with a random symmetric strain and random displacements.

    Args:
        crystal: The crystal.
        rng: Generator of random numbers.
        jitter: Standard deviation of the displacements of each atom along each axis, angstrom.
        strain: Standard deviation of the components of the strain.
    """
    parts = rng.standard_normal((3, 3)) * strain
    lattice = crystal.lattice @ (np.eye(3) + (parts + parts.T) / 2)
    shifts = rng.standard_normal((len(crystal), 3)) * jitter
    return Crystal(crystal.id, lattice, crystal.fractional + shifts @ np.linalg.inv(lattice), crystal.numbers)


CHANGES: Mapping[str, Callable[[Crystal, np.random.Generator], Crystal]] = {
    "atoms displaced by 0.0005 angstrom": partial(changed, jitter=0.0005),
    "atoms displaced by 0.002 angstrom": partial(changed, jitter=0.002),
    "strain of 0.05 %": partial(changed, strain=0.0005),
    "strain of 0.5 %": partial(changed, strain=0.005),
}
"""Changes by name."""
SHAKEN = partial(changed, jitter=0.002, strain=0.001)
"""The change under which errors are compared: less than two programs of density functional theory differ."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and write the card."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--split", required=True, type=Path)
    parser.add_argument("--model", required=True, action="append", help="name or file; may be given several times")
    parser.add_argument("--count", type=int, default=500, help="test crystals that are drawn")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=machine.RESULTS / "continuity.json")
    parser.add_argument("--figure", type=Path, help="PNG file of the energies of silicon along the strain")
    options = parser.parse_args(arguments)
    facts = machine.facts(torch.get_num_threads())
    crystals = [item for item in read(options.data) if isinstance(item, Crystal)]
    split = Split.load(options.split)
    test = split.divide(crystals)[2]
    rng = np.random.default_rng(options.seed)
    drawn = [test[i] for i in rng.permutation(len(test))[: options.count]]
    card = {
        "title": "Changes of predictions under changes of crystals that change nothing",
        **facts,
        "data": {"file": Path(options.data).name, "manifest": manifest(crystals)},
        "split": {"file": options.split.name, "hash": split.hash},
        "crystals": len(drawn),
        "models": [measured(name, drawn, options.seed) for name in options.model],
    }
    write_json(card, options.out)
    if options.figure:
        draw(card["models"], options.figure)
    for model in card["models"]:
        print(model["name"], model["neighbours"])
        for row in [*model["changes"], *model["errors"], model["silicon"]["largest_step"]]:
            print("  ", row)


def measured(name: str, crystals: list[Crystal], seed: int) -> dict[str, Any]:
    """Return the figures of one model.

    Args:
        name: Name of a published model, or a model file.
        crystals: Test crystals.
        seed: Seed of the random changes.
    """
    predictor = load(name)
    before = predicted(predictor, crystals)
    changes = []
    for number, (change, apply) in enumerate(CHANGES.items()):
        rng = np.random.default_rng((seed, number))
        after = predicted(predictor, [apply(crystal, rng) for crystal in crystals])
        changes += [_row(change, wanted, after[wanted] - before[wanted]) for wanted in PROPERTIES]
    rng = np.random.default_rng((seed, len(CHANGES)))
    shaken = predicted(predictor, [SHAKEN(crystal, rng) for crystal in crystals])
    graph = build(crystals, predictor.card.spec)
    return {
        "name": predictor.card.full_name,
        "edges_per_node": round(graph.edges.shape[1] / graph.atoms, 2),
        "sha256": digest(path_of(name)),
        "neighbours": predictor.card.spec.neighbours,
        "changes": changes,
        "errors": [_errors(wanted, crystals, before[wanted], shaken[wanted]) for wanted in PROPERTIES],
        "silicon": _silicon(predictor),
    }


def predicted(predictor: Predictor, crystals: list[Crystal]) -> dict[str, np.ndarray]:
    """Return the predictions of each property, (B,) in its unit."""
    table = predictor.predict(crystals, list(PROPERTIES))
    return {name: table[name].to_numpy(dtype=float) for name in PROPERTIES}


def _row(change: str, wanted: str, difference: np.ndarray) -> dict[str, Any]:
    size = np.abs(difference)
    return {
        "change": change,
        "property": wanted,
        "mean": round(float(size.mean()), 6),
        "nine_in_ten": round(float(np.quantile(size, 0.9)), 6),
        "largest": round(float(size.max()), 6),
    }


def _errors(wanted: str, crystals: list[Crystal], before: np.ndarray, after: np.ndarray) -> dict[str, Any]:
    truth = np.array([crystal.targets.get(wanted, np.nan) for crystal in crystals])
    own, shaken = (float(np.nanmean(np.abs(values - truth))) for values in (before, after))
    return {"property": wanted, "mae": round(own, 5), "mae_shaken": round(shaken, 5), "ratio": round(shaken / own, 4)}


def _silicon(predictor: Predictor) -> dict[str, Any]:
    half = 5.431 / 2
    lattice = half * np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]])
    sites, numbers = np.array([[0, 0, 0], [0.25, 0.25, 0.25]]), np.array([14, 14])
    path = [Crystal("Si", lattice @ np.diag([1 + e, 1 - e / 2, 1 - e / 2]), sites, numbers) for e in STRAINS]
    found = predicted(predictor, path)
    return {
        "strain": [round(float(e), 5) for e in STRAINS],
        **{name: [round(float(v), 6) for v in values] for name, values in found.items()},
        "largest_step": {name: round(float(np.abs(np.diff(values)).max()), 6) for name, values in found.items()},
    }


def draw(models: list[dict[str, Any]], path: Path) -> None:
    """Draw the formation energy of silicon along the strain as each model predicts it.

    Args:
        models: Figures of the models.
        path: The PNG file.
    """
    figure = new_figure(5.6, 3.6)
    axes = figure.add_subplot()
    for model, colour in zip(models, (BLUE, ORANGE, INK), strict=False):
        silicon = model["silicon"]
        axes.plot(
            [100 * strain for strain in silicon["strain"]],
            silicon["formation_energy_per_atom"],
            color=colour,
            label=f"{model['name']}, {model['neighbours']}",
        )
    axes.set_xlabel("strain along one axis, %")
    axes.set_ylabel("predicted formation energy, eV/atom")
    axes.set_title("Silicon")
    axes.legend(frameon=False)
    plain_axes(axes)
    save(figure, path)


if __name__ == "__main__":
    main()
