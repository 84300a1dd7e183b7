"""A row may learn several properties with one network: one training, and figures for each property."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from benchmark.small import CRYSTALS, data, plan

from cryskit.benchmark.collected import collect
from cryskit.benchmark.draw import DataSet, draw
from cryskit.benchmark.plan import BenchmarkPlan, Row
from cryskit.benchmark.report import write_report
from cryskit.benchmark.run import Benchmark
from cryskit.data.splits import Split
from cryskit.types import Crystal

ROOT = Path(__file__).resolve().parents[2]
MODULI = ("bulk_modulus", "shear_modulus")
SPLIT = ROOT / "benchmarks" / "splits" / "mp-random-0-80.json"
MEASURED = {  # fraction and seed to hashes of the training and the first hundred validation ids of the rows that were measured
    (0.02, 1): ("ddca9a86aaec20c1", "b8e9bb1b8f2929db"),
    (0.05, 2): ("1fe57473f13c3004", "8226b0d46fd4ffc5"),
    (0.2, 0): ("1aa5dd8eb4ed1e22", "be6b81a5c71e52f3"),
}


def together(**changes: object) -> BenchmarkPlan:
    source = {"source": "elastic_tensor", "properties": {"moduli": MODULI}}
    return plan(**{"data": {"elastic": source}, "budget": {"epochs": 1}} | changes)


def test_one_training_gives_figures_of_each_property(tmp_path: Path) -> None:
    asked = together(grid={"optimisation.rate": [0.001, 0.01]})
    benchmark = Benchmark(asked, data(), tmp_path)
    cards = benchmark.run(lambda *_: None)
    assert [(card.row.property, card.row.regime) for card in cards] == [("moduli", "scratch"), ("moduli", "squared")]
    assert len(list(tmp_path.glob("runs/*/*/model.safetensors"))) == 4
    for card in cards:
        assert card.result, card.reason
        assert [prop.name for prop in card.result.properties] == list(MODULI)
        table = pd.read_parquet(tmp_path / "predictions" / card.result.predictions)
        for prop in card.result.properties:
            shifts = np.log10(table[prop.name]) - np.log10(table[f"{prop.name}_true"])
            assert prop.error == pytest.approx(float(shifts.abs().mean()))
        chosen = [prop.validation_error for prop in card.result.properties]
        assert card.result.grid[0].validation == pytest.approx(np.sqrt(chosen[0] * chosen[1]))
        assert card.result.grid[0].validation <= card.result.grid[1].validation
    report = write_report("small", cards, "scratch", tmp_path)
    assert report
    assert report.errors["property"].tolist() == [*MODULI, *MODULI]
    assert [gain.property for gain in report.gains] == [*MODULI, "mean"]
    assert report.ranks["tasks"].tolist() == [2, 2]
    plots = {path.name for path in (tmp_path / "plots").glob("*")}
    assert {f"learning-elastic-{name}.png" for name in MODULI} <= plots
    assert {f"parity-elastic-{name}-cgcnn-scratch.png" for name in MODULI} <= plots
    collected = collect(tmp_path, "scratch")
    assert [(row.property, row.regime) for row in collected.rows] == [
        (name, card.row.regime) for card in cards for name in MODULI
    ]


def test_a_crystal_with_one_of_the_labels_trains_and_judges() -> None:
    def only(crystal: Crystal, prop: str) -> Crystal:
        targets = {prop: crystal.targets[prop]}
        return Crystal(crystal.id, crystal.lattice, crystal.fractional, crystal.numbers, targets=targets)

    crystals = [only(crystal, MODULI[i % 2]) for i, crystal in enumerate(CRYSTALS)]
    asked, sets = together(), data(crystals)
    drawn = draw(sets["elastic"], sets["elastic"].splits[0], next(asked.rows()), asked)
    assert len(drawn.seen) + len(drawn.test) == len(CRYSTALS)
    hashes = [sets["elastic"].label_hash(names) for names in (MODULI, MODULI[:1], MODULI[1:])]
    assert len(set(hashes)) == 3


def test_a_single_property_has_the_hash_that_it_always_had() -> None:
    card = json.loads(Path(__file__).with_name("format-1").joinpath("done.json").read_text(encoding="utf-8"))
    assert data()["elastic"].label_hash(["bulk_modulus"]) == card["data"]["labels"]


@pytest.mark.parametrize(("fraction", "seed"), MEASURED)
def test_the_few_label_rows_are_those_that_were_measured(fraction: float, seed: int) -> None:
    asked = BenchmarkPlan.from_yaml(ROOT / "benchmarks" / "plans" / "benchmark" / "few-labels.yaml")
    card = json.loads((ROOT / "benchmarks" / "results" / "few-labels.json").read_text(encoding="utf-8"))
    split = Split.load(SPLIT)
    one = Crystal("x", np.eye(3) * 4, np.zeros((1, 3)), np.array([14]), targets={"band_gap": 0.6})
    ids = (*split.train, *split.validation, *split.test)
    crystals = [Crystal(name, one.lattice, one.fractional, one.numbers, targets=one.targets) for name in ids]
    row = Row("mp", "seven", "steinhardt", "selector", fraction, seed)
    drawn = draw(DataSet(crystals, crystals, "", [split], ""), split, row, asked)
    found = (drawn.split.train, drawn.split.validation[:100])
    assert tuple(hashlib.sha256(" ".join(part).encode()).hexdigest()[:16] for part in found) == MEASURED[fraction, seed]
    run = next(run for run in card["runs"] if (run["percent"], run["seed"]) == (round(100 * fraction), seed))
    assert len(drawn.split.train) == run["train"]
    assert len(drawn.split.validation) - run["validation"] in {0, 1}
    assert len(drawn.test) == card["split"]["test"]
    (made,) = asked.training_plans(row, {"epochs": card["epochs"][f"{100 * fraction:g}"]}, str)
    planned, measured = made.model_dump(mode="json"), card["plan"]
    assert planned["properties"] == measured["properties"]
    assert planned["objective"] == measured["objective"]
    assert planned["encoder"] == measured["encoder"] | {"inputs": "selector"}
    assert isinstance(asked.budget.epochs, dict)
    assert asked.budget.epochs[fraction] == card["epochs"][f"{100 * fraction:g}"]
