"""The bundled data sets: whole, unmodified, cited, and found by name."""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cryskit.data.audit import audit
from cryskit.data.interchange import write
from cryskit.data.read import read
from cryskit.data.sources import Source, bundled, open_source, sources
from cryskit.elements import formula
from cryskit.errors import DataError, UnknownNameError
from cryskit.properties import get
from cryskit.types import Crystal, Failure

ROWS = {"dielectric_constant": 878, "elastic_tensor": 952, "flla_2015": 3339, "piezoelectric_tensor": 805}
CARDS = list(sources().values())


def test_the_bundled_sets_are_those_that_may_be_bundled() -> None:
    assert {name: source.rows for name, source in sources().items()} == ROWS
    assert sum(source.path.stat().st_size for source in CARDS) < 2_000_000


@pytest.mark.parametrize("source", CARDS, ids=lambda source: source.name)
def test_a_card_says_what_its_file_holds(source: Source) -> None:
    found = list(open_source(source.name))
    assert len(found) == source.rows
    assert all(isinstance(item, Crystal) for item in found)
    assert len({item.id for item in found}) == source.rows
    assert {name for item in found for name in item.targets} == set(source.properties)  # type: ignore[union-attr]
    assert all(get(name).name == name and get(name).unit == unit for name, unit in source.units.items())
    assert not audit(found).of("outside range")


@pytest.mark.parametrize("source", CARDS, ids=lambda source: source.name)
def test_a_card_names_its_terms(source: Source) -> None:
    assert source.doi.startswith("10.")
    assert "LICENSE.matminer" in source.licence
    assert (source.path.parent / "LICENSE.matminer").is_file()
    assert source.citation
    assert source.origin
    assert source.title


def test_labels_are_unmodified() -> None:
    """Silicon as the article's data have it."""
    silicon = next(item for item in open_source("elastic_tensor") if item.id == "mp-149")
    assert isinstance(silicon, Crystal)
    assert formula(silicon.numbers) == "Si"
    assert len(silicon) == 8
    assert np.linalg.det(silicon.lattice) == pytest.approx(163.54, abs=0.01)
    assert silicon.targets["bulk_modulus"] == pytest.approx(83.0112836733, abs=1e-9)
    assert silicon.targets["shear_modulus"] == pytest.approx(61.1610315798, abs=1e-9)


def test_a_changed_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = sources()["piezoelectric_tensor"]
    content = bytearray(source.path.read_bytes())
    assert hashlib.sha256(content).hexdigest() == source.sha256
    content[len(content) // 2] ^= 1
    (tmp_path / source.path.name).write_bytes(content)
    monkeypatch.setattr(bundled, "_FOLDER", tmp_path)
    with pytest.raises(DataError, match="not the file that its card describes"):
        open_source("piezoelectric_tensor")
    with pytest.raises(DataError, match="cannot be read"):
        open_source("elastic_tensor")
    with pytest.raises(DataError, match="cannot be read"):
        replace(source, name="absent").verify()


def test_a_source_is_a_bundled_name_or_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    iron = Crystal("iron", 2.87 * np.eye(3), np.zeros((1, 3)), np.array([26]))
    write(tmp_path / "mine.parquet", [iron])
    monkeypatch.chdir(tmp_path)
    assert [item.id for item in read("mine.parquet")] == ["iron"]
    assert next(read("flla_2015")).id == "mp-10"
    assert next(read("flla_2015", limit=1)).error.problem  # type: ignore[union-attr]
    (tmp_path / "elastic_tensor").mkdir()
    write(tmp_path / "elastic_tensor" / "mine.parquet", [iron])
    assert next(read("elastic_tensor")).id == "mp-10003"
    assert [item.id for item in read("./elastic_tensor")] == ["iron"]
    assert [item.id for item in read(Path("elastic_tensor"))] == ["iron"]
    assert [item.id for item in read(["mine.parquet", "flla_2015"])][:2] == ["iron", "mp-10"]
    with pytest.raises(DataError, match=r"Did you mean elastic_tensor or .*\?$"):
        read("elastic_tensors")
    with pytest.raises(UnknownNameError, match="no bundled data set called 'mine'"):
        open_source("mine")


def test_a_source_is_also_a_scheme_and_what_its_source_takes() -> None:
    assert next(read("bundled:flla_2015")).id == "mp-10"
    assert isinstance(next(read("bundled:flla_2015", limit=1)), Failure)
    with pytest.raises(UnknownNameError, match="Did you mean elastic_tensor"):
        read("bundled:elastic_tensors")


@pytest.mark.parametrize("src", ["mpds:nelements=2", "Bundled:flla_2015", "s3://bucket/set.parquet"])
def test_an_unknown_scheme_is_an_error_that_names_those_known(src: str) -> None:
    scheme = src.partition(":")[0]
    with pytest.raises(DataError, match=f"There is no file {re.escape(src)}, .* scheme '{scheme}'.*schemes bundled:"):
        read(src)


@pytest.mark.parametrize("name", ["set:1.parquet", "optimade:mp.parquet", "bundled:flla_2015.parquet", "C:set.parquet"])
def test_a_file_whose_name_has_a_colon_is_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    write(tmp_path / name, [Crystal("iron", 2.87 * np.eye(3), np.zeros((1, 3)), np.array([26]))])
    monkeypatch.chdir(tmp_path)
    for src in (name, f"./{name}", str(tmp_path / name)):
        assert [item.id for item in read(src)] == ["iron"]


@pytest.mark.parametrize("src", ["C:/data/set.parquet", r"C:\data\set.parquet", "./a:b.cif", "a b:c.cif", ":x"])
def test_a_missing_path_is_no_scheme(src: str) -> None:
    with pytest.raises(DataError, match="no data set, file or folder called"):
        read(src)


def test_a_damaged_card_is_refused(tmp_path: Path) -> None:
    card = tmp_path / "mine.yaml"
    for text in ("title: only", "[", "colour: red"):
        card.write_text(text)
        with pytest.raises(DataError, match=r"mine\.yaml cannot be read"):
            bundled._card(card)
