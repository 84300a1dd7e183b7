"""Can a handful of experimental band gaps correct a model of DFT gaps? The second experiment of the CrysXPP paper, and more.

    python -m benchmarks.studies.debias --data ../shared/data/mp.parquet --model crysxpp

A model of DFT gaps is trained on with ten experimental gaps (doi 10.1038/s41524-022-00716-8) and judged on ten others; then
each of the twenty is left out once and predicted from the other nineteen. It is compared with the model as it was, DFT itself,
and what needs no network: DFT gaps under a straight line fitted to the same crystals, and their mean.
"""

from __future__ import annotations

import argparse
import copy
import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from ase.build import bulk

from benchmarks.speed import machine
from cryskit import Crystal, load
from cryskit.atomic_write import write_json
from cryskit.batching import with_targets
from cryskit.data.read import read
from cryskit.data.readers.from_ase import from_atoms
from cryskit.graphs.build import build
from cryskit.objectives.property import PropertyObjective
from cryskit.predict.card import digest
from cryskit.predict.published import path_of
from cryskit.training.fit import fit
from cryskit.training.plan import Optimisation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryskit.predict.predictor import Predictor

_GAP = "band_gap"
_GAPS = machine.ROOT / "benchmarks" / "experimental-gaps.json"
_OPTIMISATION = Optimisation(epochs=60, rate=3e-4, averaging=0, weight_decay=0)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run both experiments and write the card."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--model", required=True, help="a model of DFT gaps")
    parser.add_argument("--out", type=Path, default=machine.RESULTS)
    asked = parser.parse_args(arguments)
    torch.set_num_threads(1)
    gaps = json.loads(_GAPS.read_text(encoding="utf-8"))
    entries = [*gaps["given"], *gaps["others"]]
    crystals = _crystals(entries, asked.data)
    experiment = np.array([entry["gap"] for entry in entries])
    dft = np.array([crystal.targets.get(_GAP, np.nan) for crystal in crystals])
    model = load(asked.model)
    ten = np.arange(len(gaps["given"]))
    rest = np.setdiff1d(np.arange(len(entries)), ten)
    columns = {"experiment": experiment, "DFT": dft, "model of DFT": predicted(model, crystals)}
    trained = {"ten": judged(model, crystals, dft, experiment, [(ten, rest)])}
    every = [(np.delete(np.arange(len(entries)), i), np.array([i])) for i in range(len(entries))]
    trained["leave one out"] = judged(model, crystals, dft, experiment, every)
    card = {
        "title": "Band gaps of experiment from a model of DFT gaps",
        **machine.facts(1),
        "model": {"name": model.card.name, "sha256": digest(path_of(asked.model))},
        "optimisation": _OPTIMISATION.model_dump(mode="json"),
        "crystals": [
            {"formula": entry["formula"], **{name: _plain(values[i]) for name, values in columns.items()}}
            | {f"{name}, {how}": _plain(found[how][i]) for name, found in trained.items() for how in found}
            for i, entry in enumerate(entries)
        ],
        "mae": {
            "ten others": {
                how: _error(values[rest], experiment[rest]) for how, values in {**columns, **trained["ten"]}.items()
            },
            "leave one out": {
                how: _error(values, experiment) for how, values in {**columns, **trained["leave one out"]}.items()
            },
        },
    }
    write_json(card, asked.out / "debias.json")
    print(json.dumps(card["mae"], indent=1))


def judged(
    model: Predictor,
    crystals: Sequence[Crystal],
    dft: np.ndarray,
    experiment: np.ndarray,
    parts: Sequence[tuple[np.ndarray, np.ndarray]],
) -> dict[str, np.ndarray]:
    """Return what each way predicts for the crystals that are left out, NaN for the others."""
    ways = ("model trained on", "line through DFT", "mean")
    found = {way: np.full(len(crystals), np.nan) for way in ways}
    for known, out in parts:
        left = [crystals[i] for i in out]
        found["model trained on"][out] = predicted(
            trained_on(model, [crystals[i] for i in known], experiment[known]), left
        )
        usable = known[np.isfinite(dft[known])]
        slope, offset = np.polyfit(dft[usable], experiment[usable], 1)
        found["line through DFT"][out] = slope * dft[out] + offset
        found["mean"][out] = experiment[known].mean()
    return found


def trained_on(model: Predictor, crystals: Sequence[Crystal], gaps: np.ndarray) -> Predictor:
    """Return a copy of the model after a fixed number of passes over a few crystals; nothing is chosen by looking."""
    torch.manual_seed(0)
    copied = copy.deepcopy(model)
    targets = np.full((len(crystals), len(copied.properties)), np.nan)
    targets[:, copied.properties.index(_GAP)] = gaps
    graph = with_targets(build(crystals, copied.card.spec), targets)
    with tempfile.TemporaryDirectory() as folder:
        fit(PropertyObjective(copied.encoder, copied.heads), graph, graph, _OPTIMISATION, Path(folder))
    return copied.eval()


def predicted(model: Predictor, crystals: Sequence[Crystal]) -> np.ndarray:
    """Return the gaps that a model predicts, eV."""
    return np.array([prediction.values[_GAP] for prediction in model.stream(crystals)])


def _crystals(entries: Sequence[dict[str, Any]], data: str) -> list[Crystal]:
    known = {item.id: item for item in read(data) if isinstance(item, Crystal)}
    return [known[entry["id"]] if "id" in entry else _wurtzite(entry) for entry in entries]


def _wurtzite(entry: dict[str, Any]) -> Crystal:
    a, c = entry["wurtzite"]
    return from_atoms(bulk(entry["formula"], "wurtzite", a=a, c=c), entry["formula"])


def _plain(value: float) -> float | None:
    return None if not np.isfinite(value) else round(float(value), 3)


def _error(values: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    both = np.isfinite(values) & np.isfinite(truth)
    return {"mae": round(float(np.abs(values - truth)[both].mean()), 3), "n": int(both.sum())}


if __name__ == "__main__":
    main()
