"""`cryskit describe`: words for crystals, in order, on disk."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pandas as pd
import pytest

from cryskit.cli import describe as verb
from cryskit.text import describe

if TYPE_CHECKING:
    from collections.abc import Callable

    from typer.testing import Result

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
DISORDERED = """data_mixed
_cell_length_a 4.2
_cell_length_b 4.2
_cell_length_c 4.2
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
_symmetry_space_group_name_H-M 'P 1'
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_occupancy
Na1 Na 0 0 0 0.5
Cl1 Cl 0.5 0.5 0.5 1
"""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nothing.cif", "--out", "a.parquet"], "nothing.cif"),
        (["elastic_tensor", "--out", "a.csv"], ".parquet"),
        (["elastic_tensor"], "--out"),
        (["elastic_tensor", "--out", "a.parquet", "--workers", "0"], "--workers"),
        (["elastic_tensor", "--out", "a.parquet", "--timeout", "0"], "--timeout"),
    ],
)
def test_a_wrong_call_is_refused(cryskit: Callable[..., Result], arguments: list[str], said: str) -> None:
    result = cryskit("describe", *arguments)
    assert result.exit_code == 2
    assert said in result.stderr


def test_without_the_extra_it_says_what_to_install(
    cryskit: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(_: str) -> NoReturn:
        raise describe.PackageNotFoundError

    monkeypatch.setattr(describe, "installed", missing)
    result = cryskit("describe", EXAMPLES, "--out", "a.parquet")
    assert result.exit_code == 2
    assert "pip install 'cryskit[describe]'" in result.stderr
    assert not Path("a.parquet").exists()


def test_the_time_limit_is_that_of_the_library() -> None:
    assert verb.TIMEOUT == describe.TIMEOUT


@pytest.mark.slow
def test_crystals_are_described_in_order(cryskit: Callable[..., Result], cifs: list[Path]) -> None:
    pytest.importorskip("robocrys")
    mixed = Path("mixed.cif")
    mixed.write_text(DISORDERED, encoding="utf-8")
    result = cryskit("describe", *cifs[:2], mixed, cifs[2], "--out", "texts.parquet", "--workers", "1", "--json")
    assert result.exit_code == 1, result.stderr
    told = json.loads(result.stdout)
    assert {name: told[name] for name in ("rows", "described", "short", "failed")} == {
        "rows": 4,
        "described": 3,
        "short": 0,
        "failed": 1,
    }
    found = pd.read_parquet("texts.parquet")
    assert found["id"].tolist() == ["Si", "NaCl", "mixed", "MgO"]
    assert found["status"].tolist() == ["described", "described", "failed", "described"]
    assert found.loc[1, "text"].startswith("NaCl is Halite, Rock Salt structured and crystallizes in the cubic Fm-3m")
    assert found.loc[1, "text"] == f"{found.loc[1, 'global']} {found.loc[1, 'local']}"
    assert found["version"].str.startswith("robocrys ").all()
