"""Tables on disk: columns fixed by the model, rows as they come, files whole or absent."""

from __future__ import annotations

import csv
import json
from io import StringIO
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

import cryskit
from cryskit.data.spreadsheet import guard, unguard
from cryskit.predict.tables import EMBEDDINGS, frame, prediction_row, prediction_schema
from cryskit.predict.units import units_of
from cryskit.predict.writers import json_rows, table_writer
from cryskit.properties import get
from cryskit.types import Prediction

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

PROPERTIES = [get("bulk_modulus"), get("poisson_ratio")]
SCHEMA = prediction_schema(PROPERTIES)
FACTS = {"model": "tiny@2026.12", "units": units_of(SCHEMA)}
ROWS = [
    prediction_row(Prediction("a", {"bulk_modulus": 1 / 3, "poisson_ratio": 0.25})),
    prediction_row(Prediction('b "x", y', {}, status="failed", reason="Two\nlines, é")),
    prediction_row(Prediction("c", {"bulk_modulus": float("nan"), "poisson_ratio": 2e-300})),
]
ENDINGS = ["csv", "json", "parquet"]


def write(path: Path, rows: Iterable[dict[str, Any]] = ROWS) -> None:
    with table_writer(path, SCHEMA, FACTS) as write_row:
        for row in rows:
            write_row(row)


def rows_in(path: Path) -> list[dict[str, Any]]:
    """Read a table with the standard tools of each format, values as text in CSV."""
    if path.suffix == ".json":
        found: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["rows"]
        return found
    if path.suffix == ".parquet":
        return list(pq.read_table(path).to_pylist())
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_table_is_read_back_as_it_was_written(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"t.{ending}"
    write(path)
    first, second, third = rows_in(path)
    assert list(first) == ["id", "bulk_modulus", "poisson_ratio", "status", "reason"]
    assert float(first["bulk_modulus"]) == 1 / 3
    assert (second["id"], second["reason"]) == ('b "x", y', "Two\nlines, é")
    assert second["bulk_modulus"] in {None, ""}
    assert float(third["poisson_ratio"]) == 2e-300
    assert {path.name for path in tmp_path.iterdir()} == {f"t.{ending}"}


@pytest.mark.parametrize("ending", ENDINGS)
def test_columns_do_not_depend_on_rows(tmp_path: Path, ending: str) -> None:
    schema = prediction_schema(PROPERTIES, deviations=True, intervals=True)
    names = ["id"]
    for wanted in ("bulk_modulus", "poisson_ratio"):
        names += [wanted, f"{wanted}_std", f"{wanted}_lo", f"{wanted}_hi"]
    certain = prediction_row(Prediction("a", {"bulk_modulus": 1.0, "poisson_ratio": 0.2}))
    spread = prediction_row(Prediction("b", {"bulk_modulus": 1.0}, {"bulk_modulus": 0.5}, {"bulk_modulus": (0.5, 1.5)}))
    assert schema.names == [*names, "status", "reason"]
    assert units_of(schema)["bulk_modulus_lo"] == "GPa"
    for number, rows in enumerate(([certain], [spread], [certain, spread])):
        path = tmp_path / f"{number}.{ending}"
        with table_writer(path, schema, FACTS) as write_row:
            for row in rows:
                write_row(row)
        assert [list(row) for row in rows_in(path)] == [schema.names] * len(rows)
        assert list(frame(rows, schema, FACTS)) == schema.names
    assert float(rows_in(tmp_path / f"1.{ending}")[0]["bulk_modulus_hi"]) == 1.5


@pytest.mark.parametrize("ending", ENDINGS)
def test_an_empty_table_has_its_columns(tmp_path: Path, ending: str) -> None:
    write(tmp_path / f"t.{ending}", [])
    assert rows_in(tmp_path / f"t.{ending}") == []
    if ending != "json":
        read = pd.read_csv if ending == "csv" else pd.read_parquet
        assert list(read(tmp_path / f"t.{ending}").columns) == SCHEMA.names


def test_json_and_parquet_name_the_model_and_the_units(tmp_path: Path) -> None:
    write(tmp_path / "t.json")
    write(tmp_path / "t.parquet")
    document = json.loads((tmp_path / "t.json").read_text(encoding="utf-8"))
    assert {name: document[name] for name in FACTS} == FACTS
    metadata = pq.read_schema(tmp_path / "t.parquet").metadata
    assert metadata[b"model"] == b"tiny@2026.12"
    assert json.loads(metadata[b"units"]) == {"bulk_modulus": "GPa", "poisson_ratio": ""}
    assert pd.read_parquet(tmp_path / "t.parquet").attrs == FACTS


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("error", [OSError("full"), KeyboardInterrupt(), SystemExit(143)], ids=repr)
def test_a_block_that_fails_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, ending: str, error: BaseException
) -> None:
    path = tmp_path / f"t.{ending}"
    path.write_text("old", encoding="utf-8")

    def rows() -> Iterator[dict[str, Any]]:
        yield ROWS[0]
        raise error

    with pytest.raises(type(error)):
        write(path, rows())
    assert path.read_text(encoding="utf-8") == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("ending", ENDINGS)
def test_rows_reach_the_disk_before_the_last_has_come(tmp_path: Path, ending: str) -> None:
    with table_writer(tmp_path / f"t.{ending}", SCHEMA, FACTS, group=10) as write_row:
        (partial,) = tmp_path.iterdir()
        sizes = []
        for _ in range(20):
            for _ in range(100):
                write_row(ROWS[0])
            sizes.append(partial.stat().st_size)
    assert sizes == sorted(sizes)
    assert 0 < sizes[5] < sizes[-1]


def test_a_row_group_is_closed_when_it_has_many_rows_or_many_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = {"id": "a", "vector": np.arange(8, dtype=np.float32), "status": "ok", "reason": ""}
    monkeypatch.setattr("cryskit.predict.writers._NUMBERS", 32)
    for group, expected in ((3, [3, 3, 3, 1]), (100, [4, 4, 2])):
        with table_writer(tmp_path / "t.parquet", EMBEDDINGS, {}, group=group) as write_row:
            for _ in range(10):
                write_row(row)
        metadata = pq.read_metadata(tmp_path / "t.parquet")
        assert [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)] == expected
    assert np.array_equal(pd.read_parquet(tmp_path / "t.parquet")["vector"][9], row["vector"])


def test_json_on_an_open_file_is_the_same_document(tmp_path: Path) -> None:
    printed = StringIO()
    with json_rows(printed, SCHEMA.names, FACTS) as write_row:
        for row in ROWS:
            write_row(row)
    write(tmp_path / "t.json")
    assert printed.getvalue() == (tmp_path / "t.json").read_text(encoding="utf-8")


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_name_that_is_no_utf_8_costs_no_row(tmp_path: Path, ending: str) -> None:
    name = b"caf\xff".decode("utf-8", "surrogateescape")
    row = prediction_row(Prediction(name, {"bulk_modulus": 1.0, "poisson_ratio": 0.2}))
    write(tmp_path / f"t.{ending}", [row, ROWS[0]])
    found = rows_in(tmp_path / f"t.{ending}")
    assert found[0]["id"] in {name, "caf\\udcff"}
    assert found[1]["id"] == "a"
    assert frame([row], SCHEMA, {})["id"].tolist() == ["caf\\udcff"]


IDS = ["=1+1", "+a", "-5", "@x", "\tx", "\rx", "\x00x", "'=1", "''@", "'plain", "plain", "a=b", "\uff1dx"]


def test_no_cell_of_a_csv_file_is_a_formula_and_ids_are_read_back(tmp_path: Path) -> None:
    write(tmp_path / "t.csv", [prediction_row(Prediction(name, {"bulk_modulus": -1.5})) for name in IDS])
    rows = rows_in(tmp_path / "t.csv")
    assert not [row["id"] for row in rows if row["id"][0] in "=+-@\t\r\x00\uff1d"]
    assert [unguard(row["id"]) for row in rows] == IDS
    assert {row["bulk_modulus"] for row in rows} == {"-1.5"}, "numbers stay numbers"
    assert rows[-3]["id"] == "plain"


def test_the_id_of_a_csv_file_that_is_read_is_the_one_that_was_written(tmp_path: Path) -> None:
    cell = "lattice_mat", "coords", "elements"
    structure = json.dumps(dict(zip(cell, ([[3, 0, 0], [0, 3, 0], [0, 0, 3]], [[0, 0, 0]], ["Fe"]), strict=True)))
    frame = pd.DataFrame({"id": [guard(name) for name in ("=1", "'=1", "'a")], "structure": [structure] * 3})
    frame.to_csv(tmp_path / "a.csv", index=False)
    assert [row.id for row in cryskit.read(tmp_path / "a.csv")] == ["=1", "'=1", "'a"]
