"""Judge a published model on the test crystals of its split and write a result card.

    python -m benchmarks.studies.accuracy --model crysxpp --data ../shared/data/mp.parquet --split benchmarks/splits/crysxpp.json
    python -m benchmarks.studies.accuracy --model cryskit-mp --data runs/corpus/labelled.parquet --split benchmarks/splits/corpus-known.json \
        --trained benchmarks/splits/corpus.json
    python -m benchmarks.studies.accuracy --model cryskit-mp --data runs/corpus/labelled.parquet --split benchmarks/splits/corpus-new.json \
        --trained benchmarks/splits/corpus.json --suffix=-new

Properties learned as logarithms are judged as logarithms. The interval is a bootstrap over crystals. A random split lets
polymorphs of a test crystal into the training set, so the error on formulas that have none there is given too.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from benchmarks.speed import machine
from benchmarks.studies.scales import learned
from cryskit.atomic_write import write_json
from cryskit.data.interchange import manifest
from cryskit.data.read import read
from cryskit.data.splits import Split
from cryskit.elements import formula
from cryskit.evaluate.evaluate import evaluate
from cryskit.predict.card import digest
from cryskit.predict.load import load
from cryskit.predict.published import path_of
from cryskit.text.table import read_texts, with_texts
from cryskit.types import Crystal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryskit.types import Property

_RESAMPLES = 2000


def main(arguments: Sequence[str] | None = None) -> None:
    """Judge and write the card."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="cryskit-mp")
    parser.add_argument("--data", required=True)
    parser.add_argument("--split", required=True, type=Path)
    parser.add_argument("--text", type=Path, help="descriptions; without, a model that reads them describes by itself")
    parser.add_argument(
        "--trained", type=Path, help="split whose training part the model saw; that of --split by default"
    )
    parser.add_argument("--suffix", default="", help="text behind the name of the card")
    parser.add_argument("--out", type=Path, default=machine.RESULTS)
    options = parser.parse_args(arguments)
    facts = machine.facts(torch.get_num_threads())
    crystals = [item for item in read(options.data) if isinstance(item, Crystal)]
    if options.text:
        crystals = list(with_texts(crystals, read_texts(options.text)))
    split = Split.load(options.split)
    parts = split.divide(crystals)
    test = parts[2]
    training = (Split.load(options.trained).divide(crystals) if options.trained else parts)[0]
    predictor = load(options.model)
    begun = time.perf_counter()
    judged = evaluate(predictor, test)
    rate = len(test) / (time.perf_counter() - begun)
    seen = {formula(crystal.numbers) for crystal in training}
    new = np.array([formula(crystal.numbers) not in seen for crystal in test])
    card = {
        "title": f"Accuracy of {predictor.card.name} on test crystals",
        **facts,
        "data": {"file": Path(options.data).name, "manifest": manifest(crystals), "crystals": len(crystals)},
        "split": {"file": options.split.name, "hash": split.hash, "seed": split.seed, "kind": split.kind},
        "rows": {**predictor.card.rows, "test": len(test), "test_with_new_formula": int(new.sum())},
        "model": {"sha256": digest(path_of(options.model)), "epoch": predictor.card.epoch},
        "crystals_per_second_with_graphs": round(rate),
        "test": [
            figures(p, judged.table[p.name], judged.table[f"{p.name}_true"], new)
            for p in predictor.card.properties
            if judged.table[f"{p.name}_true"].notna().any()
        ],
    }
    write_json(card, options.out / f"accuracy-{predictor.card.name}{options.suffix}.json")
    for line in card["test"]:
        print(line)


def figures(wanted: Property, values: Any, truth: Any, new: np.ndarray) -> dict[str, Any]:
    """Return the figures of one property, in the space where it is learned."""
    values, truth = learned(wanted, values), learned(wanted, truth)
    unit = f"log10({wanted.unit})" if wanted.transform == "log10" else wanted.unit
    known = np.isfinite(truth)
    values, truth, new = values[known], truth[known], new[known]
    errors = np.abs(values - truth)
    rng = np.random.default_rng(0)
    resampled = [errors[rng.integers(len(errors), size=len(errors))].mean() for _ in range(_RESAMPLES)]
    low, high = np.quantile(resampled, [0.025, 0.975])
    return {
        "property": wanted.name,
        "unit": unit,
        "crystals": len(errors),
        "mae": round(errors.mean(), 5),
        "mae_low": round(low, 5),
        "mae_high": round(high, 5),
        "median_error": round(float(np.median(errors)), 5),
        "r2": round(1 - (errors**2).sum() / ((truth - truth.mean()) ** 2).sum(), 4),
        "mean_deviation": round(np.abs(truth - truth.mean()).mean(), 5),
        "crystals_new_formula": int(new.sum()),
        "mae_new_formula": round(errors[new].mean(), 5) if new.any() else None,
    }


if __name__ == "__main__":
    main()
