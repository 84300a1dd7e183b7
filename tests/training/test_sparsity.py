"""The sparsest model that is as good as the best is kept."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from cryskit.data.sources import open_source
from cryskit.data.splits import make
from cryskit.explain.selector import strength_table
from cryskit.predict.load import load
from cryskit.training.plan import Plan
from cryskit.training.sparsity import error_of, sparsest, train_sparsest
from cryskit.types import Crystal

if TYPE_CHECKING:
    from pathlib import Path


def tried(*errors: float, standard_error: float = 0.02) -> list[dict[str, float]]:
    return [
        {"penalty": penalty, "error": error, "standard_error": standard_error}
        for penalty, error in zip((0.1, 0.3, 1.0), errors, strict=True)
    ]


@pytest.mark.parametrize(
    ("errors", "penalty"),
    [((0.5, 0.51, 0.6), 0.3), ((0.5, 0.4, 0.41), 1.0), ((0.4, 0.5, 0.6), 0.1), ((0.5, 0.6, 0.515), 1.0)],
)
def test_the_largest_penalty_within_one_standard_error_of_the_best(errors: tuple[float, ...], penalty: float) -> None:
    assert sparsest(tried(*errors)) == penalty


def test_the_error_is_relative_and_in_the_space_of_learning() -> None:
    gap = {"n": 100, "mae": 0.3, "rmse": 0.5, "mad": 1.0, "r2": 0.5}
    modulus = {"n": 25, "mae": 99.0, "rmse": 99.0, "mad": 1.0} | {
        "n_log10": 25,
        "mae_log10": 0.1,
        "rmse_log10": 0.1,
        "mad_log10": 0.2,
    }
    assert error_of({"gap": gap}) == pytest.approx({"error": 0.3, "standard_error": 0.04})
    assert error_of({"gap": gap, "modulus": modulus}) == pytest.approx({"error": 0.4, "standard_error": 0.02})


@pytest.mark.slow
def test_a_path_of_penalties_ends_with_one_model(tmp_path: Path) -> None:
    crystals = [item for item in open_source("elastic_tensor") if isinstance(item, Crystal) and len(item) <= 6][:60]
    plan = Plan(
        properties=("bulk_modulus",),
        encoder={"name": "cgcnn", "width": 8, "layers": 1, "inputs": {"name": "selector", "blocks": 0.4}},
        optimisation={"epochs": 3, "edges": 400, "accelerator": "cpu"},
    )
    out = tmp_path / "model.safetensors"
    card, folder = train_sparsest(plan, crystals, make(crystals), out, tmp_path / "run", (0.1, 100.0))
    found = json.loads((tmp_path / "run" / "selector.json").read_text(encoding="utf-8"))
    assert [one["penalty"] for one in found] == [0.1, 100.0]
    assert card.name == "model"
    assert card.encoder["inputs"] == {"name": "selector", "blocks": 0.4, "penalty": sparsest(found)}
    assert folder == tmp_path / "run" / f"penalty-{sparsest(found):g}"
    assert out.read_bytes() == (folder / "model.safetensors").read_bytes()
    table = strength_table(load(out).encoder)
    assert (table["strength"] > 0).sum() == next(one["bits"] for one in found if one["penalty"] == sparsest(found))
