"""The study of tensors puts models of all kinds of heads side by side."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from predict.tensor_models import untrained
from predict.test_tensors import CRYSTALS

from benchmarks.studies.tensor_table import ISOTROPIC, main
from cryskit.data.interchange import write
from cryskit.data.splits import make
from cryskit.evaluate.evaluate import evaluate

if TYPE_CHECKING:
    from pathlib import Path


def test_the_card_has_a_row_for_each_kind_of_heads(tmp_path: Path) -> None:
    crystals = [replace(crystal, targets={}) for crystal in CRYSTALS]
    write(tmp_path / "tensors.parquet", crystals)
    split = make(crystals, kind="random", fractions=(0.6, 0.2, 0.2), seed=0)
    split.save(tmp_path / "split.json")
    files = []
    for heads in ("tensors", "components", "isotropic"):
        model = untrained(["elastic_tensor"], crystals, heads)
        files += [tmp_path / f"{heads}-{seed}.safetensors" for seed in range(2)]
        for file in files[-2:]:
            model.save(file)
    given = [
        "--data",
        str(tmp_path / "tensors.parquet"),
        "--split",
        str(tmp_path / "split.json"),
        "--out",
        str(tmp_path / "card.json"),
    ]
    main([*given, "--models", *map(str, files), "--scalar", "cryskit-mp"])
    card = json.loads((tmp_path / "card.json").read_text())
    rows, test = card["rows"], split.divide(crystals)[2]
    assert list(rows) == ["tensors", ISOTROPIC, "components", "isotropic", "cryskit-mp"]
    for name in list(rows)[:4]:
        assert rows[name]["elastic_tensor"]["crystals"] == len(test)
        assert rows[name]["elastic_tensor"]["deviation"] == 0
        share = rows[name]["elastic_tensor"]["mae"] / card["mean_predictor"]["elastic_tensor"]
        assert rows[name]["elastic_tensor"]["share"] == pytest.approx(share, abs=1e-4)
    expected = evaluate(untrained(["elastic_tensor"], crystals), test).metrics
    assert rows["tensors"]["bulk_modulus, log10"]["mae"] == pytest.approx(
        expected["bulk_modulus"]["mae_log10"], abs=1e-5
    )
    assert rows["isotropic"]["elastic_tensor"]["mae"] != rows[ISOTROPIC]["elastic_tensor"]["mae"]
    assert rows["cryskit-mp"]["shear_modulus, log10"]["mae"] < 0.3
    assert card["test_crystals_that_trained_scalar_models"]["cryskit-mp"]["crystals"] == len(test)
