"""Two classes learned from Materials Project: metal or not, and observed or only calculated; with a baseline of elements alone.

    python -m benchmarks.studies.classes --data ../shared/data/mp_large.parquet --property metal --count 4000 --epochs 10
    python -m benchmarks.studies.classes --data ../shared/data/mp_large.parquet --property observed --count 4000 --epochs 10
    python -m benchmarks.studies.classes --data ../shared/data/mp_large.parquet --property metal --splits 10

`metal` is a band gap of zero in `band_gap` (PBE); `observed` is the column of that name. Crystals of up to 30 atoms are drawn by
formula, and all crystals of a formula are in one part: 60 % train, 10 % choose the epoch, 20 % test, 10 % calibrate. The baseline is
boosted trees on the fractions of the elements, on the same parts, calibrated in the same way. The test part is looked at once,
at the end. The card is `results/classes-<property>.json`, the picture `docs/images/classes-<property>.png`.
"""

from __future__ import annotations

import argparse
from collections import Counter
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.parquet as pq
import torch
from sklearn.ensemble import HistGradientBoostingClassifier

from benchmarks.speed import machine
from cryskit import properties
from cryskit.atomic_write import write_json
from cryskit.data.classes import with_class_targets
from cryskit.data.read import read
from cryskit.data.splits import make
from cryskit.elements import ELEMENTS, formula
from cryskit.evaluate.class_metrics import class_metrics, reliability
from cryskit.evaluate.evaluate import evaluate
from cryskit.plots.reliability import plot_classes
from cryskit.predict.classes import calibrate, class_prediction, softmax
from cryskit.predict.load import load
from cryskit.training.plan import Plan
from cryskit.training.train import train
from cryskit.types import Crystal, Property

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryskit.data.splits import Divided

LARGEST = 30
"""Atoms of the largest cell that is taken."""
FRACTIONS = (0.6, 0.1, 0.2, 0.1)
"""Shares for training, validation, test and calibration."""
IMAGES = machine.ROOT / "docs" / "images"
"""Folder of the pictures."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, judge, and keep the figures in a card."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--property", choices=("metal", "observed"), required=True)
    parser.add_argument("--count", type=int, default=4000)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--encoder", default="cgcnn")
    parser.add_argument("--splits", type=int, default=0, help="only judge the baseline, on so many splits")
    parser.add_argument("--images", type=Path, default=IMAGES)
    parser.add_argument("--out", type=Path, default=machine.RESULTS)
    asked = parser.parse_args(arguments)
    wanted = properties.get(asked.property)
    crystals = drawn(asked.data, wanted, asked.count, asked.seed)
    if asked.splits:
        spread(crystals, wanted, asked.splits, asked.out)
        return
    split = make(crystals, "formula", fractions=FRACTIONS, seed=asked.seed)
    plan = Plan.make(
        {
            "properties": [wanted.name],
            "encoder": {"name": asked.encoder, "width": 64, "layers": 3},
            "optimisation": {"epochs": asked.epochs, "edges": 4000, "seed": asked.seed, "accelerator": "cpu"},
        }
    )
    with TemporaryDirectory() as folder:
        file = Path(folder) / "model.safetensors"
        card = train(plan, crystals, split, file, Path(folder) / "run", name=f"{wanted.name}-study")
        predictor = load(file)
    parts = split.divide(crystals)
    judged = evaluate(predictor, parts.test)
    plot_classes(judged.table, wanted, asked.images / f"classes-{wanted.name}.png")
    known = card.class_calibration[wanted.name]
    cold = {wanted.name: known.model_copy(update={"temperature": 1.0})}
    predictor.card = card.model_copy(update={"class_calibration": cold})
    arms = {
        asked.encoder: {
            "temperature": known.temperature,
            "uncalibrated": chosen(evaluate(predictor, parts.test).metrics[wanted.name]),
            **chosen(judged.metrics[wanted.name]),
            "reliability": curve(judged.table, wanted),
        },
        "elements": baseline(parts, wanted),
    }
    document = {
        "title": f"{wanted.name}: {' or '.join(wanted.classes)}",
        **machine.facts(torch.get_num_threads()),
        "data": {"file": Path(asked.data).name, "manifest": split.data, "crystals": len(crystals), "largest": LARGEST},
        "split": {
            "kind": split.kind,
            "hash": split.hash,
            **{name: len(getattr(parts, name)) for name in parts._fields},
        },
        "classes": {name: share(parts.test, wanted, number) for number, name in enumerate(wanted.classes)},
        "epochs": asked.epochs,
        "epoch": card.epoch,
        "level": known.level,
        "calibrated_on": {"part": known.part, "crystals": known.crystals},
        "arms": arms,
    }
    write_json(document, asked.out / f"classes-{wanted.name}.json")
    for name, arm in arms.items():
        print(name, {key: value for key, value in arm.items() if key != "reliability"}, flush=True)


def spread(crystals: Sequence[Crystal], wanted: Property, count: int, out: Path) -> None:
    """Judge the baseline on several splits and keep its figures in a card: how much coverage varies from split to split.

    Args:
        crystals: Crystals with labels.
        wanted: The class.
        count: Number of splits.
        out: Folder of the card.
    """
    found = []
    for seed in range(count):
        split = make(crystals, "formula", fractions=FRACTIONS, seed=seed)
        figures = baseline(split.divide(crystals), wanted)
        found.append({"seed": seed, "hash": split.hash, **{k: v for k, v in figures.items() if k != "uncalibrated"}})
        print(found[-1], flush=True)
    covered = np.array([one["coverage"] for one in found])
    document = {
        "title": f"{wanted.name}: coverage of prediction sets over {count} splits, elements alone",
        **machine.facts(torch.get_num_threads()),
        "coverage": {"mean": round(float(covered.mean()), 4), "deviation": round(float(covered.std(ddof=1)), 4)},
        "splits": found,
    }
    write_json(document, out / f"classes-{wanted.name}-splits.json")


def drawn(source: str, wanted: Property, count: int, seed: int) -> list[Crystal]:
    """Return crystals that have a label, whole formulas in random order until there are enough.

    Args:
        source: Parquet file in the interchange form.
        wanted: The class.
        count: Number of crystals, about.
        seed: Seed of the order.
    """
    table = pq.read_table(source)
    known = np.isfinite(table["band_gap" if wanted.name == "metal" else wanted.name].to_numpy().astype(float))
    cells = table["atomic_numbers"].to_pylist()
    groups: dict[str, list[int]] = {}
    for row in np.flatnonzero(known):
        if len(cells[row]) <= LARGEST:
            groups.setdefault(formula(np.array(cells[row])), []).append(int(row))
    names = sorted(groups)
    order = np.random.default_rng(seed).permutation(len(names))
    sizes = np.cumsum([len(groups[names[place]]) for place in order])
    chosen = [row for place in order[: int(np.searchsorted(sizes, count)) + 1] for row in groups[names[place]]]
    with TemporaryDirectory() as folder:
        part = Path(folder) / "part.parquet"
        pq.write_table(table.take(chosen), part)
        found = [row for row in read(part) if isinstance(row, Crystal)]
    return with_class_targets([replace(one, targets=labelled(one, wanted)) for one in found], [wanted])


def labelled(row: Crystal, wanted: Property) -> dict[str, float]:
    """Return the label of a crystal as a target, nothing if it has none.

    Args:
        row: The crystal.
        wanted: The class.
    """
    gap = row.targets.get("band_gap")
    made = {} if gap is None else {"metal": float(gap <= 0)}
    return {name: value for name, value in {**row.targets, **made}.items() if name == wanted.name}


def baseline(parts: Divided, wanted: Property) -> dict[str, Any]:
    """Return the figures of boosted trees on the fractions of the elements.

    Args:
        parts: Crystals of each part.
        wanted: The class.
    """
    model = HistGradientBoostingClassifier(class_weight="balanced", random_state=0)
    model.fit(fractions(parts.train), labels(parts.train, wanted))
    prior = np.log(np.bincount(labels(parts.train, wanted)) / len(parts.train))
    calibration, test = (
        np.log(np.clip(model.predict_proba(fractions(part)), 1e-12, 1)) + prior
        for part in (parts.calibration, parts.test)
    )
    known = calibrate(calibration, labels(parts.calibration, wanted), "calibration")
    found = {}
    for name, temperature in (("uncalibrated", 1.0), ("calibrated", known.temperature)):
        predictions = [class_prediction(wanted.classes, p, known.thresholds) for p in softmax(test, temperature)]
        found[name] = chosen(class_metrics(predictions, [float(k) for k in labels(parts.test, wanted)], wanted))
    return {"temperature": known.temperature, "uncalibrated": found["uncalibrated"], **found["calibrated"]}


def fractions(crystals: Sequence[Crystal]) -> np.ndarray:
    """Return the share of each element among the atoms, (crystals, elements)."""
    table = np.zeros((len(crystals), ELEMENTS + 1))
    for row, crystal in enumerate(crystals):
        for number, atoms in Counter(crystal.numbers.tolist()).items():
            table[row, number] = atoms / len(crystal)
    return table


def labels(crystals: Sequence[Crystal], wanted: Property) -> np.ndarray:
    """Return the numbers of the classes of crystals."""
    return np.array([int(crystal.targets[wanted.name]) for crystal in crystals])


def share(crystals: Sequence[Crystal], wanted: Property, number: int) -> float:
    """Return the share of crystals that are of a class."""
    return round(float((labels(crystals, wanted) == number).mean()), 4)


def chosen(figures: dict[str, float]) -> dict[str, float]:
    """Return figures of merit with four digits."""
    return {name: round(float(value), 4) for name, value in figures.items()}


def curve(table: Any, wanted: Property) -> list[list[float]]:
    """Return probability, frequency and number of crystals of each bin, for the second class."""
    second = wanted.classes[1]
    known = table.dropna(subset=[wanted.name, f"{wanted.name}_true"])
    chances = np.where(known[wanted.name] == second, known[f"{wanted.name}_p"], 1 - known[f"{wanted.name}_p"])
    found = reliability(chances.astype(float), (known[f"{wanted.name}_true"] == second).to_numpy(dtype=float))
    return [[round(float(value), 4) for value in row] for row in found]


if __name__ == "__main__":
    main()
