"""How good `cryskit fit` is on small tables: nested errors of every candidate, and of a rival that knows the composition only.

    python -m benchmarks.studies.fit --shared ../shared/data --budget 100 --most 300

Each set is fitted by `cryskit.fit_table` under one budget of processor seconds, which do not depend on what else the computer does; what is shown are its own outer folds, whose rows nothing was chosen by. The
rival, 132 Magpie features with boosted trees (as in `benchmarks.studies.magpie`), learns and is judged on the same folds. Sets larger than
`--most` are drawn from, whole formulas each. Sets that are in the card already are not fitted again.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from sklearn.ensemble import HistGradientBoostingRegressor

from benchmarks.speed import machine
from benchmarks.studies.magpie import magpie_features
from cryskit.atomic_write import write_json
from cryskit.cli.memory import keep_pages
from cryskit.data.interchange import manifest
from cryskit.data.read import read
from cryskit.data.targets import property_name
from cryskit.elements import formula
from cryskit.small_data.fit import fit_table
from cryskit.small_data.folds import some
from cryskit.small_data.judge import outer_folds
from cryskit.small_data.search import errors_of
from cryskit.small_data.sources import tried_by_default
from cryskit.small_data.table import Table, physical, table_of
from cryskit.types import Crystal

if TYPE_CHECKING:
    from collections.abc import Sequence

RIVAL = "Magpie, boosted trees"


class Case(NamedTuple):
    """A set of the study.

    Attributes:
        source: Bundled name, or file in the folder of shared data.
        target: Column to learn.
    """

    source: str
    target: str


CASES = {
    "bulk modulus": Case("elastic_tensor", "K_VRH"),
    "shear modulus": Case("elastic_tensor", "G_VRH"),
    "refractive index, DFPT": Case("dielectric_constant", "n"),
    "piezoelectric modulus": Case("piezoelectric_tensor", "eij_max"),
    "formation energy": Case("flla_2015", "formation_energy_per_atom"),
    "refractive index": Case("refractive_index.parquet", "refractive_index"),
    "critical temperature, measured": Case("superconductors.parquet", "critical_temperature"),
    "band gap, measured": Case("measured_band_gap.parquet", "band_gap_experimental"),
    "formation enthalpy, measured": Case("measured_formation_enthalpy.parquet", "formation_enthalpy_experimental"),
    "heat of perovskites": Case("perov_5.parquet", "heat_all"),
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Fit each set and keep the errors in a card."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--shared", required=True, type=Path, help="folder of the sets that do not come with the package"
    )
    parser.add_argument("--set", nargs="+", default=list(CASES), choices=list(CASES))
    parser.add_argument("--budget", type=float, default=600.0, help="processor seconds of each fit")
    parser.add_argument("--most", type=int, default=1000, help="crystals of a set")
    parser.add_argument("--encoder", nargs="+", default=list(tried_by_default()))
    parser.add_argument("--folder", type=Path, default=Path("runs/fit"), help="folder of the fits")
    parser.add_argument("--out", type=Path, default=machine.RESULTS)
    asked = parser.parse_args(arguments)
    keep_pages()
    torch.set_num_threads(1)
    path = asked.out / "fit.json"
    card = json.loads(path.read_text(encoding="utf-8")) if path.exists() else _new(asked)
    for name in asked.set:
        if name not in {found["set"] for found in card["sets"]}:
            facts, errors = _fitted(name, asked)
            card["sets"].append(facts)
            card["errors"] += errors
            write_json(card, path)
            print(name, json.dumps(errors, indent=1), flush=True)


def _new(asked: argparse.Namespace) -> dict[str, Any]:
    return {
        "title": "Small tables: nested errors of cryskit fit and of its candidates",
        **machine.facts(1),
        "settings": {"budget_cpu_seconds": asked.budget, "most": asked.most, "encoders": asked.encoder, "seed": 0},
        "sets": [],
        "errors": [],
    }


def _fitted(name: str, asked: argparse.Namespace) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Fit one set and its rival."""
    case = CASES[name]
    source: Any = asked.shared / case.source if case.source.endswith(".parquet") else case.source
    target = property_name(case.target)
    known = [c for c in read(source) if isinstance(c, Crystal) and np.isfinite(c.targets.get(target, np.nan))]
    groups = np.unique([formula(crystal.numbers) for crystal in known], return_inverse=True)[1]
    crystals = [known[row] for row in some(np.arange(len(known)), groups, asked.most, 0)]
    folder = asked.folder / name.replace(" ", "-").replace(",", "")
    started, clock = time.monotonic(), time.process_time()
    found = fit_table(
        crystals,
        target,
        folder / "model.safetensors",
        budget=asked.budget,
        encoders=asked.encoder,
        announce=_announcer(name),
        clock=time.process_time,
    )
    spent = {"seconds": round(time.monotonic() - started), "cpu_seconds": round(time.process_time() - clock)}
    table = table_of(crystals, target)
    errors = {**found.errors, RIVAL: _rival(table)}
    shown = [
        {"set": name, "model": model, "mae": round(error, 5), "deviation": round(spread, 5)}
        for model, (error, spread) in sorted(errors.items(), key=lambda one: one[1])
    ]
    here = machine.facts(1)
    facts = {
        "set": name,
        **{fact: here[fact] for fact in ("date", "commit", "cpu")},
        "source": case.source,
        "target": target,
        "crystals": len(table),
        "formulas": int(table.groups.max()) + 1,
        "manifest": manifest(table.crystals),
        "unit": found.unit,
        "transform": found.model.card.properties[0].transform,
        "epochs": found.model.card.plan["fit"]["epochs"],
        "frozen_share": found.model.card.plan["fit"]["shares"][0],
        "megabytes": round(found.path.stat().st_size / 1e6, 2),
        **spent,
    }
    return facts, shown


def _announcer(name: str) -> Any:
    return lambda what: print(time.strftime("%H:%M:%S"), name, what, flush=True)


def _rival(table: Table) -> tuple[float, float]:
    """Return the error of the rival on the outer folds and its deviation over them, the better transform chosen for it."""
    features, values = magpie_features(table.crystals), {}
    folds = outer_folds(table, 0)
    for transform in table.transforms:
        labels, found = table.learned(transform), np.empty(len(table))
        for fold in folds:
            rows = np.setdiff1d(np.arange(len(table)), fold)
            model = HistGradientBoostingRegressor(max_iter=300, learning_rate=0.05, random_state=0)
            found[fold] = physical(model.fit(features[rows], labels[rows]).predict(features[fold]), transform)
        values[transform] = errors_of(table, np.arange(len(table)), found)
    best = min(values.values(), key=lambda errors: errors.mean())
    return float(best.mean()), float(np.std([best[fold].mean() for fold in folds]))


if __name__ == "__main__":
    main()
