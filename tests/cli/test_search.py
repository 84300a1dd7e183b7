"""Descriptions are learned from and searched by from the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from cryskit.data.read import read
from cryskit.text.terms import Terms
from cryskit.types import Crystal

if TYPE_CHECKING:
    from collections.abc import Callable

    from typer.testing import Result

EXAMPLES = Path(__file__).parents[2] / "examples"
CRYSTALS = [c for c in read(EXAMPLES) if isinstance(c, Crystal)]
SETTINGS = ("--encoder", "cgcnn", "--width", "16", "--layers", "2")


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A table of descriptions, of all but one of the examples, and a bag of terms fitted to it."""
    folder: Path = tmp_path_factory.mktemp("texts")
    rows = [{"id": c.id, "global": f"{c.id} stands here", "local": f"{len(c)} atoms"} for c in CRYSTALS[1:]]
    pd.DataFrame(rows).to_parquet(folder / "texts.parquet")
    Terms.fit([f"{row['global']} {row['local']}" for row in rows], width=16, rarest=1).save(
        folder / "terms.safetensors"
    )
    return folder / "texts.parquet", folder / "terms.safetensors"


def test_crystals_are_found_by_words(cryskit: Callable[..., Result], texts: tuple[Path, Path], tmp_path: Path) -> None:
    table, reader = map(str, texts)
    model = tmp_path / "contrast.safetensors"
    words = ("--text", table, "--text-encoder", reader)
    fixed = ("--data", str(EXAMPLES), *words, *SETTINGS, "--out", str(model))
    made = cryskit("pretrain", "contrast", *fixed, "--epochs", "150")
    assert made.exit_code == 0, made.stderr
    assert f"1 of {len(CRYSTALS)} crystals has no description" in made.stderr
    found = cryskit("search", "SrTiO3 stands here", "--data", str(EXAMPLES), "--model", str(model), "--json")
    rows = json.loads(found.stdout)["rows"]
    assert len(rows) == 10
    assert "SrTiO3" in [row["id"] for row in rows[:5]]
    similarities = [row["similarity"] for row in rows]
    assert similarities == sorted(similarities, reverse=True)
    out = tmp_path / "found.csv"
    assert cryskit("search", "Si", "--data", str(EXAMPLES), "--model", str(model), "--out", str(out)).exit_code == 0
    assert len(pd.read_csv(out)) == len(CRYSTALS)


@pytest.mark.parametrize(
    ("words", "first"),
    [
        ("perovskite oxide", {"SrTiO3"}),
        ("SiO2 crystallizes in the trigonal space group", {"SiO2-quartz"}),
        ("zinc oxide", {"ZnO"}),
    ],
)
def test_the_published_model_is_taken_where_none_is_named(
    cryskit: Callable[..., Result], words: str, first: set[str]
) -> None:
    found = cryskit("search", words, "--data", str(EXAMPLES), "--json")
    assert found.exit_code == 0, found.stderr
    assert json.loads(found.stdout)["model"].startswith("cryskit-search@")
    row = json.loads(found.stdout)["rows"][0]
    assert row["id"] in first
    assert row["formula"] == row["id"].removesuffix("-quartz")


def test_what_cannot_be_searched_is_said(
    cryskit: Callable[..., Result], texts: tuple[Path, Path], tmp_path: Path
) -> None:
    wordless = cryskit("search", "Si", "--data", str(EXAMPLES), "--model", "crysae")
    assert wordless.exit_code == 2
    assert "knows nothing of words" in wordless.stderr
    meaningless = cryskit("search", "layered hexagonal oxide", "--data", str(EXAMPLES), "--model", "crysmmnet")
    assert meaningless.exit_code == 2
    assert "no contrast objective has brought crystals and words into one space" in meaningless.stderr
    alien = cryskit(
        *("train", "--data", "elastic_tensor", "--property", "bulk_modulus", "--text", str(texts[0])),
        *("--text-encoder", str(texts[1]), "--out", str(tmp_path / "m.safetensors")),
    )
    assert alien.exit_code == 2
    assert "describes none of the crystals, of which there are 952" in alien.stderr
