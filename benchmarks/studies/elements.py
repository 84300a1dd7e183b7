"""How well models know the elements, from which formation energies are counted, and write a result card.

    python -m benchmarks.studies.elements --data runs/corpus/labelled.parquet --split benchmarks/splits/corpus.json \
        --model cryskit-mp --model cryskit-mp@2026.11

The ground state of an element, the crystal of the lowest label, has a formation energy of zero by definition. Nearly all elemental
crystals trained, as few are known: the figures of ground states are errors on training crystals. Those that the split holds out
(validation, test and calibration parts) are judged apart.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from benchmarks.speed import machine
from cryskit.atomic_write import write_json
from cryskit.data.interchange import manifest
from cryskit.data.read import read
from cryskit.data.splits import Split
from cryskit.elements import formula, symbol
from cryskit.predict.card import digest
from cryskit.predict.load import load
from cryskit.predict.published import path_of
from cryskit.types import Crystal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryskit.predict.predictor import Predictor

PROPERTY = "formation_energy_per_atom"
NAMED = ("C", "N", "O", "F", "Cl", "Si", "Fe", "Xe")
"""Elements whose ground states the card lists one by one."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Judge and write the card."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--split", required=True, type=Path)
    parser.add_argument("--model", action="append", required=True)
    parser.add_argument("--out", type=Path, default=machine.RESULTS)
    options = parser.parse_args(arguments)
    facts = machine.facts(torch.get_num_threads())
    crystals = [item for item in read(options.data) if isinstance(item, Crystal)]
    known = [one for one in crystals if len(set(one.numbers.tolist())) == 1 and PROPERTY in one.targets]
    training, *held = Split.load(options.split).divide(crystals)
    trained, out = ({one.id for one in part} for part in (training, [one for part in held for one in part]))
    ground = _ground_states([one for one in known if one.id in trained])
    parts = {"ground_states": ground, "held_out": [one for one in known if one.id in out]}
    card = {
        "title": "Formation energies of elemental crystals",
        **facts,
        "data": {"file": Path(options.data).name, "manifest": manifest(crystals), "elemental": len(known)},
        "models": [
            {"model": predictor.card.full_name, "sha256": digest(path_of(model))}
            | {name: _judged(predictor, part) for name, part in parts.items()}
            for model, predictor in ((name, load(name)) for name in options.model)
        ],
    }
    write_json(card, options.out / "elements.json")
    print(f"card {options.out / 'elements.json'}")


def _ground_states(crystals: Sequence[Crystal]) -> list[Crystal]:
    """Return of each element the crystal with the lowest formation energy, if that is zero to 1 meV/atom."""
    lowest: dict[int, Crystal] = {}
    for crystal in crystals:
        element = int(crystal.numbers[0])
        if element not in lowest or crystal.targets[PROPERTY] < lowest[element].targets[PROPERTY]:
            lowest[element] = crystal
    return [lowest[element] for element in sorted(lowest) if abs(lowest[element].targets[PROPERTY]) < 1e-3]


def _judged(predictor: Predictor, crystals: Sequence[Crystal]) -> dict[str, Any]:
    """Return errors in eV/atom, the share of labels within the 90 % interval, and predictions of named elements."""
    table = predictor.predict(list(crystals), [PROPERTY])
    labels, predictions = np.array([one.targets[PROPERTY] for one in crystals]), table[PROPERTY].to_numpy(float)
    sizes = np.abs(predictions - labels)
    found: dict[str, Any] = {
        "crystals": len(crystals),
        "mae": float(sizes.mean()),
        "median": float(np.median(sizes)),
        "largest": {formula(crystals[place].numbers): float(sizes[place]) for place in np.argsort(-sizes)[:5]},
    }
    if f"{PROPERTY}_lo" in table:
        low, high = (table[f"{PROPERTY}_{end}"].to_numpy(float) for end in ("lo", "hi"))
        found["covered_at_0.9"] = float(np.mean((low <= labels) & (labels <= high)))
    symbols = [symbol(int(one.numbers[0])) for one in crystals]
    named = {name: float(predictions[symbols.index(name)]) for name in NAMED if symbols.count(name) == 1}
    return found | {"predicted": named}


if __name__ == "__main__":
    main()
