"""`cryskit data`: lists, converts, audits and splits."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from cryskit.data.interchange import manifest_of
from cryskit.data.read import read
from cryskit.data.sources import sources
from cryskit.data.splits import Split, make

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from typer.testing import Result

    from cryskit.types import Crystal

    Call = Callable[..., Result]


def test_list_shows_the_bundled_sets(cryskit: Call) -> None:
    table = cryskit("data", "list").stdout
    entries = json.loads(cryskit("data", "list", "--json").stdout)
    assert [entry["name"] for entry in entries] == list(sources())
    assert all(name in table for name in sources())
    assert entries[1]["units"]["bulk_modulus"] == "GPa"


def test_convert_writes_what_can_be_read_and_names_the_rest(cryskit: Call, cifs: list[Path], tmp_path: Path) -> None:
    folder = cifs[0].parent
    (folder / "broken.cif").write_text("data_x\n_cell_length_a 3\n", encoding="utf-8")
    result = cryskit("data", "convert", folder, "--out", "new/all.parquet", "--json")
    written = tmp_path / "new" / "all.parquet"
    answer = json.loads(result.stdout)
    assert result.exit_code == 1
    assert answer["rows"] == 5
    assert [row["id"] for row in answer["failed"]] == ["broken"]
    assert "1 of 6 rows cannot be used:\n  broken: " in result.stderr
    assert answer["manifest"] == manifest_of(written)
    assert [item.id for item in read(written)] == ["Fe", "GaAs", "MgO", "NaCl", "Si"]


def test_convert_of_a_bundled_set_keeps_its_labels(cryskit: Call, tmp_path: Path) -> None:
    result = cryskit("data", "convert", "piezoelectric_tensor", "--out", "p.parquet")
    assert result.exit_code == 0
    assert "805 crystals written to p.parquet" in result.stdout
    assert pd.read_parquet(tmp_path / "p.parquet")["piezoelectric_modulus"].notna().all()


def test_a_source_without_any_crystal_is_a_wrong_call(cryskit: Call, tmp_path: Path) -> None:
    (tmp_path / "a.cif").touch()
    result = cryskit("data", "convert", "a.cif", "--out", "a.parquet")
    assert result.exit_code == 2
    assert "a.cif has no usable crystal" in result.stderr
    assert not (tmp_path / "a.parquet").exists()


def test_a_split_is_the_one_of_the_library(cryskit: Call, data: Path, crystals: list[Crystal], tmp_path: Path) -> None:
    result = cryskit(
        "data",
        "split",
        data,
        "--kind",
        "formula",
        "--fractions",
        "0.6,0.2,0.2",
        "--seed",
        3,
        "--out",
        "split.json",
        "--json",
    )
    expected = make(crystals, "formula", fractions=(0.6, 0.2, 0.2), seed=3)
    assert result.exit_code == 0
    assert Split.load(tmp_path / "split.json") == expected
    assert json.loads(result.stdout)[0]["hash"] == expected.hash


def test_folds_are_a_partition_in_a_folder(cryskit: Call, data: Path, crystals: list[Crystal], tmp_path: Path) -> None:
    result = cryskit("data", "split", data, "--folds", 3, "--out", "folds")
    files = sorted((tmp_path / "folds").iterdir())
    tests = [name for file in files for name in Split.load(file).test]
    assert result.exit_code == 0
    assert [file.name for file in files] == ["fold1of3.json", "fold2of3.json", "fold3of3.json"]
    assert sorted(tests) == sorted(crystal.id for crystal in crystals)
    assert all(file.name in result.stdout for file in files)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--fractions", "0.5,0.5"], "2 fractions divide no data set"),
        (["--fractions", "0.5,0.1,0.1"], "are not positive shares of 1"),
        (["--fractions", "0.8,0.1,0.1", "--folds", "3"], "does not go with --folds"),
        (["--folds", "1"], "--folds"),
        (["--kind", "colour"], "colour"),
        (["--folds", "1000"], "too few for 1000 folds"),
    ],
)
def test_a_split_that_cannot_be_is_a_wrong_call(cryskit: Call, data: Path, arguments: list[str], message: str) -> None:
    result = cryskit("data", "split", data, "--out", "split.json", *arguments)
    assert result.exit_code == 2
    assert message in result.stderr


def test_audit_shows_what_is_doubtful(cryskit: Call, crystals: list[Crystal], tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "id": [c.id for c in crystals[:12]],
            "atomic_numbers": [c.numbers for c in crystals[:12]],
            "lattice": [c.lattice.ravel() for c in crystals[:12]],
            "frac_coords": [c.fractional.ravel() for c in crystals[:12]],
            "bulk_modulus": [-5.0, None, *(c.targets["bulk_modulus"] for c in crystals[2:12])],
        }
    )
    pd.concat([frame, frame.iloc[:7].assign(id=lambda f: "copy-" + f["id"])]).to_parquet(tmp_path / "odd.parquet")
    result = cryskit("data", "audit", "odd.parquet")
    words = result.stdout.split()
    assert result.exit_code == 0
    assert "19 crystals" in result.stdout
    assert words[words.index("bulk_modulus") : words.index("bulk_modulus") + 5] == [
        "bulk_modulus",
        "GPa",
        "17",
        "2",
        "-5.000",
    ]
    assert "duplicate: 7\n" in result.stdout
    assert "  and 2 more (all with --json)\n" in result.stdout
    assert "-5 GPa is outside 0.01 to 500" in result.stdout
    findings = json.loads(cryskit("data", "audit", "odd.parquet", "--json").stdout)["findings"]
    assert sum(finding["kind"] == "duplicate" for finding in findings) == 7


def test_audit_of_rows_that_fail_has_exit_code_1(cryskit: Call, cifs: list[Path]) -> None:
    (cifs[0].parent / "empty.cif").touch()
    result = cryskit("data", "audit", cifs[0].parent)
    assert result.exit_code == 1
    assert "failure: 1\n  empty: " in result.stdout


def test_an_unknown_source_names_the_nearest(cryskit: Call) -> None:
    result = cryskit("data", "audit", "elastic_tensors")
    assert result.exit_code == 2
    assert "Did you mean elastic_tensor" in result.stderr
