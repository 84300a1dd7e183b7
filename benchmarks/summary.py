"""Put the few-label runs side by side: means over seeds, paired differences with intervals, the curve.

    python benchmarks/summary.py

Reads `results/few-labels.json` and `results/magpie.json`, and the test predictions that the runs left in `runs/few-labels`. The
interval of a difference is a bootstrap over test crystals of the mean over seeds of the paired absolute errors, so it holds for
these draws of training crystals; the spread over draws is given as the standard deviation over seeds.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import labels
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from cryskit import properties

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_RESAMPLES = 2000
_CURVE = ("formation_energy_per_atom", "band_gap")
_NAMES = {
    "scratch": "from scratch",
    "start": "CrysAE start",
    "selector": "CrysAE start, selector",
    "magpie": "Magpie, boosted trees",
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the summary card and the figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, default=Path("runs/few-labels"))
    parser.add_argument("--results", type=Path, default=labels.RESULTS)
    parser.add_argument("--figure", type=Path, default=Path("docs/methods/few-labels.png"))
    asked = parser.parse_args(arguments)
    cards = [
        json.loads(path.read_text("utf-8"))
        for name in ("few-labels", "magpie")
        if (path := asked.results / f"{name}.json").exists()
    ]
    errors = _errors([run for card in cards for run in card["runs"]])
    card = {
        "title": "Few labels, summary",
        "command": "python benchmarks/summary.py",
        "data": cards[0]["data"],
        "split": cards[0]["split"],
        "errors": [_row(percent, name, arms) for (percent, name), arms in sorted(errors.items())],
        "differences": list(_differences(errors, asked.runs)),
    }
    labels.save_card(card, asked.results / "few-labels-summary.json")
    draw(errors, asked.figure)
    for line in card["differences"]:
        print(line)


def _errors(runs: Sequence[dict[str, Any]]) -> dict[tuple[int, str], dict[str, dict[int, float]]]:
    """Return the test error by size and property, arm, and seed."""
    found: dict[tuple[int, str], dict[str, dict[int, float]]] = defaultdict(lambda: defaultdict(dict))
    for run in runs:
        for name, figures in run["test"].items():
            found[run["percent"], name][run["arm"]][run["seed"]] = figures["mae"]
    return found


def _row(percent: int, name: str, arms: Mapping[str, Mapping[int, float]]) -> dict[str, Any]:
    row: dict[str, Any] = {"percent": percent, "property": name}
    for arm, by_seed in sorted(arms.items()):
        values = np.array(list(by_seed.values()))
        row[arm] = round(float(values.mean()), 4)
        row[f"{arm}_sd"] = round(float(values.std(ddof=1)), 4) if len(values) > 1 else None
        row[f"{arm}_seeds"] = len(values)
    return row


def _differences(errors: Mapping[tuple[int, str], Mapping[str, Mapping[int, float]]], runs: Path) -> Any:
    """Return the paired differences from scratch, with intervals where the predictions are still there."""
    for (percent, name), arms in sorted(errors.items()):
        for arm in ("start", "selector"):
            seeds = sorted(set(arms.get("scratch", {})) & set(arms.get(arm, {})))
            files = [[runs / f"{a}-{percent}-{seed}" / "test.parquet" for a in ("scratch", arm)] for seed in seeds]
            if seeds and all(file.exists() for both in files for file in both):
                yield {"percent": percent, "property": name, "arm": arm, "seeds": len(seeds), **_paired(files, name)}


def _paired(files: Sequence[Sequence[Path]], name: str) -> dict[str, float]:
    """Return the relative change of the error, and its 95 % bootstrap interval over test crystals."""
    scratch, other = (np.mean([_absolute(both[i], name) for both in files], axis=0) for i in (0, 1))
    rows = np.random.default_rng(0).integers(len(scratch), size=(_RESAMPLES, len(scratch)))
    change = 100 * (other[rows].mean(1) / scratch[rows].mean(1) - 1)
    low, high = np.percentile(change, [2.5, 97.5])
    return {
        "scratch": round(float(scratch.mean()), 4),
        "mae": round(float(other.mean()), 4),
        "change_percent": round(float(100 * (other.mean() / scratch.mean() - 1)), 1),
        "low": round(float(low), 1),
        "high": round(float(high), 1),
    }


def _absolute(file: Path, name: str) -> np.ndarray:
    """Return the absolute errors of the test crystals that have a label, in the space where it is learned."""
    table = pd.read_parquet(file, columns=[name, f"{name}_true"])
    wanted = properties.get(name)
    error = np.abs(labels.learned(wanted, table[name]) - labels.learned(wanted, table[f"{name}_true"]))
    return error[np.isfinite(error)]


def draw(errors: Mapping[tuple[int, str], Mapping[str, Mapping[int, float]]], path: Path) -> None:
    """Draw error against size, one panel per property, every seed a dot and the means joined."""
    figure = Figure(figsize=(9, 3.8), layout="constrained")
    for axes, name in zip(figure.subplots(1, len(_CURVE)), _CURVE, strict=True):
        wanted = properties.get(name)
        sizes = sorted(percent for percent, other in errors if other == name)
        for arm, label in _NAMES.items():
            known = [percent for percent in sizes if arm in errors[percent, name]]
            if known:
                means = [np.mean(list(errors[percent, name][arm].values())) for percent in known]
                (line,) = axes.plot(known, means, label=label, marker="_", linestyle="--" if arm == "magpie" else "-")
                dots = [(percent, value) for percent in known for value in errors[percent, name][arm].values()]
                axes.plot(*zip(*dots, strict=True), ".", color=line.get_color(), markersize=4)
        axes.set(xscale="log", yscale="log", xlabel="crystals that train, %", ylabel=f"MAE, {wanted.unit}")
        axes.set(title=wanted.name.replace("_", " "))
        axes.set_xticks(sizes, [str(size) for size in sizes], minor=False)
        axes.set_xticks([], minor=True)
    figure.axes[0].legend(fontsize=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)


if __name__ == "__main__":
    main()
