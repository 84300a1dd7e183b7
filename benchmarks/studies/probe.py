"""What can be read out of the vectors of frozen encoders by a linear map: symmetry, density, elements.

    python -m benchmarks.studies.probe --data ../shared/data/mp.parquet --split benchmarks/splits/mp-random-0-80.json

The probes are logistic and ridge regressions (scikit-learn) on standardised vectors: fitted to training crystals, judged on test
crystals of the split. Each published encoder is compared with one of the same kind with random weights: what the architecture alone
gives away; and the most frequent class or the mean.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from pymatgen.core import Element
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.speed import machine
from cryskit.atomic_write import write_json
from cryskit.cli.memory import keep_pages
from cryskit.data.interchange import manifest
from cryskit.data.read import read
from cryskit.data.splits import Split
from cryskit.predict.card import digest
from cryskit.predict.load import load
from cryskit.predict.predictor import Predictor
from cryskit.predict.published import path_of
from cryskit.symmetry import space_group
from cryskit.types import Crystal

if TYPE_CHECKING:
    from collections.abc import Sequence

_DALTON = 1.66053907  # grams per cubic centimetre in one dalton per cubic angstrom
_RANDOM = "random weights"
_ITERATIONS = 300


def main(arguments: Sequence[str] | None = None) -> None:
    """Probe every model and its random twin, and write the card."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--split", required=True, type=Path)
    parser.add_argument("--model", nargs="+", default=("crysgnn", "crysgnn@2026.11", "crysae"))
    parser.add_argument("--count", type=int, default=6000, help="training crystals of the probes")
    parser.add_argument("--out", type=Path, default=machine.RESULTS)
    asked = parser.parse_args(arguments)
    keep_pages()
    torch.set_num_threads(1)
    crystals = [item for item in read(asked.data) if isinstance(item, Crystal)]
    split = Split.load(asked.split)
    train, _, test, *_ = split.divide(crystals)
    chosen = np.random.default_rng(0).permutation(len(train))[: asked.count]
    parts = [train[row] for row in chosen], test
    card = {
        "title": "Linear probes of frozen encoders",
        **machine.facts(1),
        "data": {"file": Path(asked.data).name, "manifest": manifest(crystals)},
        "split": {"file": asked.split.name, "hash": split.hash},
        "rows": {"training": len(parts[0]), "test": len(test)},
        "probes": [],
    }
    for name in asked.model:
        for weights in ("trained", _RANDOM):
            predictor = load(name)
            if weights == _RANDOM:
                torch.manual_seed(0)
                predictor = Predictor.from_card(predictor.card)
            probe = {
                "model": predictor.card.full_name,
                "weights": weights,
                "digest": digest(path_of(name)),
                **probed(predictor, parts),
            }
            card["probes"].append(probe)
            print(probe, flush=True)
    write_json(card, asked.out / "probe.json")


def probed(predictor: Predictor, parts: tuple[Sequence[Crystal], Sequence[Crystal]]) -> dict[str, Any]:
    """Return what the probes of one encoder reach on the test crystals."""
    vectors = [np.stack(list(predictor.embed(list(part))["vector"])) for part in parts]
    symmetry = [np.array([space_group(crystal) for crystal in part]) for part in parts]
    density = [np.array([_density(crystal) for crystal in part]) for part in parts]
    atoms = [_atoms(predictor, part) for part in parts]
    return {
        "space_group_accuracy": _accuracy(vectors, [s[:, 0] for s in symmetry]),
        "crystal_system_accuracy": _accuracy(vectors, [s[:, 1] for s in symmetry]),
        "density_mae": _error(vectors, density),
        "element_accuracy": _accuracy([a[0] for a in atoms], [a[1] for a in atoms]),
    }


def _atoms(predictor: Predictor, crystals: Sequence[Crystal]) -> tuple[np.ndarray, np.ndarray]:
    """Return the vector of one atom of every crystal, drawn at random, and which element it is."""
    draw = np.random.default_rng(0)
    table = predictor.embed_atoms(list(crystals))
    rows = [draw.integers(len(crystal)) for crystal in crystals]
    vectors = [v.reshape(len(c), -1)[r] for v, c, r in zip(table["vectors"], crystals, rows, strict=True)]
    return np.stack(vectors), np.array([c.numbers[r] for c, r in zip(crystals, rows, strict=True)])


def _density(crystal: Crystal) -> float:
    """Return grams per cubic centimetre."""
    mass = sum(float(Element.from_Z(int(number)).atomic_mass) for number in crystal.numbers)
    return mass * _DALTON / abs(float(np.linalg.det(crystal.lattice)))


def _accuracy(vectors: Sequence[np.ndarray], truth: Sequence[np.ndarray]) -> dict[str, float]:
    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=_ITERATIONS, C=1.0))
    probe.fit(vectors[0], truth[0])
    values, counts = np.unique(truth[0], return_counts=True)
    found = {
        "probe": float((probe.predict(vectors[1]) == truth[1]).mean()),
        "most_frequent": float((truth[1] == values[counts.argmax()]).mean()),
    }
    return {name: round(value, 4) for name, value in found.items()}


def _error(vectors: Sequence[np.ndarray], truth: Sequence[np.ndarray]) -> dict[str, float]:
    probe = make_pipeline(StandardScaler(), Ridge(alpha=1.0))
    probe.fit(vectors[0], truth[0])
    found = {
        "probe": float(np.abs(probe.predict(vectors[1]) - truth[1]).mean()),
        "mean": float(np.abs(truth[0].mean() - truth[1]).mean()),
    }
    return {name: round(value, 4) for name, value in found.items()}


if __name__ == "__main__":
    main()
