"""Pieces hold the rows that `read` gives, in order, however they are cut and whoever reads them."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from screen_tasks import read_and_end

from cryskit.data import pieces
from cryskit.data.interchange import write
from cryskit.data.pieces import Files, Items, Rows, divided, pieces_of, read_piece
from cryskit.data.read import read
from cryskit.data.sources import open_source
from cryskit.types import Crystal, Failure

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cryskit.data.pieces import Piece

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
LIMIT = 500


@pytest.fixture(scope="module")
def crystals() -> list[Crystal]:
    found = (item for item in open_source("elastic_tensor") if isinstance(item, Crystal) and len(item) < 9)
    return [next(found) for _ in range(200)]


def facts(rows: Iterable[Crystal | Failure]) -> list[object]:
    return [
        (row.id, row.path, row.fingerprint, row.warnings)
        if isinstance(row, Crystal)
        else (row.id, row.path, row.error.problem, row.error.cure)
        for row in rows
    ]


def in_pieces(*sources: str, limit: int = LIMIT) -> list[object]:
    return facts(row for piece in pieces_of(sources, limit) for row in read_piece(piece, limit))


def xyz(folder: Path, crystals: list[Crystal]) -> str:
    from ase.io import write as write_atoms

    path = folder / "frames.extxyz"
    write_atoms(path, [crystal.to_ase() for crystal in crystals])
    return str(path)


def lines(folder: Path, crystals: list[Crystal]) -> str:
    path = folder / "rows.jsonl"
    rows = [
        {
            "id": c.id,
            "structure": {
                "lattice": c.lattice.tolist(),
                "frac_coords": c.fractional.tolist(),
                "atomic_numbers": c.numbers.tolist(),
            },
        }
        for c in crystals
    ]
    path.write_text("\n".join([*map(json.dumps, rows[:70]), "{broken", *map(json.dumps, rows[70:])]))
    return str(path)


def structures(folder: Path, crystals: list[Crystal]) -> str:
    path = folder / "structures.parquet"
    frame = {"id": [c.id for c in crystals], "structure": [json.dumps(c.to_pymatgen().as_dict()) for c in crystals]}
    pd.DataFrame(frame).to_parquet(path)
    return str(path)


def test_rows_of_a_parquet_are_read_by_their_numbers(tmp_path: Path, crystals: list[Crystal]) -> None:
    path = str(tmp_path / "set.parquet")
    write(path, [*crystals, Crystal("flat", np.zeros((3, 3)), np.zeros((1, 3)), np.array([1]))])
    cut = list(pieces_of([path], LIMIT))
    assert cut == [Rows(path, 0, 64), Rows(path, 64, 128), Rows(path, 128, 192), Rows(path, 192, 201)]
    assert in_pieces(path) == facts(read([path]))
    order = list(range(201))
    random.Random(0).shuffle(order)
    alone = {row: facts(read_piece(Rows(path, row, row + 1), LIMIT)) for row in order}
    assert [fact for row in range(201) for fact in alone[row]] == facts(read([path]))


def test_row_groups_of_any_size_and_damaged_ones(tmp_path: Path, crystals: list[Crystal]) -> None:
    whole, path = tmp_path / "whole.parquet", tmp_path / "small.parquet"
    write(whole, crystals)
    pq.write_table(pq.read_table(whole), path, row_group_size=37, write_page_checksum=True)
    assert in_pieces(str(path)) == facts(read([str(path)]))
    column = pq.ParquetFile(path).metadata.row_group(2).column(3)
    data = bytearray(path.read_bytes())
    data[column.data_page_offset + column.total_compressed_size // 2] ^= 1
    path.write_bytes(bytes(data))
    expected = facts(read([str(path)]))
    assert any("damaged" in str(fact) for fact in expected)
    assert in_pieces(str(path)) == expected


def test_folders_and_files_of_all_kinds(tmp_path: Path, crystals: list[Crystal]) -> None:
    folder = tmp_path / "mixed"
    (folder / "a").mkdir(parents=True)
    for name in ("Si", "NaCl", "MgO"):
        text = (EXAMPLES / f"{name}.cif").read_text()
        (folder / f"{name}.cif").write_text(text)
        (folder / "a" / f"{name}.cif").write_text(text)
    (folder / "broken.cif").write_text("no structure")
    (folder / "two.cif").write_text((EXAMPLES / "Si.cif").read_text() + (EXAMPLES / "MgO.cif").read_text())
    (folder / "grün.cif").write_text((EXAMPLES / "Fe.cif").read_text())
    xyz(folder, crystals[:5])
    table = tmp_path / "table.parquet"
    write(table, crystals[:70])
    sources = [
        *(str(folder), str(table), lines(tmp_path, crystals[:140]), structures(tmp_path, crystals[:80])),
        *("elastic_tensor", str(EXAMPLES / "Fe.cif"), str(EXAMPLES / "GaAs.cif")),
    ]
    cut = list(pieces_of(sources, LIMIT))
    assert {type(piece) for piece in cut} == {Files, Rows, Items}
    assert facts(row for piece in cut for row in read_piece(piece, LIMIT)) == facts(read(sources))
    apart = [single for piece in cut for single in divided(piece)]
    assert facts(row for piece in apart for row in read_piece(piece, LIMIT)) == facts(read(sources))


def test_a_folder_with_a_table_and_one_without_anything(tmp_path: Path) -> None:
    for name in ("Si", "NaCl"):
        (tmp_path / f"{name}.cif").write_text((EXAMPLES / f"{name}.cif").read_text())
    (tmp_path / "id_prop.csv").write_text("NaCl,1\nSi,2\nnowhere,3\n")
    empty = tmp_path / "empty"
    empty.mkdir()
    sources = [str(tmp_path), str(empty)]
    found, expected = in_pieces(*sources), facts(read(sources))
    assert [fact[0] for fact in found[:3]] == ["NaCl", "Si", "nowhere"]  # type: ignore[index]
    assert found[:3] == expected[:3]
    assert "holds no structure files" in found[3][2]  # type: ignore[index]


def test_a_reader_that_crashes_ends_its_source_only(
    tmp_path: Path, crystals: list[Crystal], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = lines(tmp_path, crystals[:140])
    monkeypatch.setattr(pieces, "_read_all", read_and_end)
    rows = [row for piece in pieces_of(["elastic_tensor", path], LIMIT) for row in read_piece(piece, LIMIT)]
    bundled, after = rows[:65], rows[65:]
    assert facts(bundled[:64]) == facts(row for row, _ in zip(read(["elastic_tensor"]), range(64), strict=False))
    assert isinstance(bundled[64], Failure)
    assert "crashed" in bundled[64].error.problem
    assert "row 64" in bundled[64].error.problem
    assert facts(after) == facts(read([path]))


def test_cutting_a_table_reads_none_of_its_rows(
    tmp_path: Path, crystals: list[Crystal], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(tmp_path / "set.parquet")
    write(path, crystals)
    monkeypatch.setattr(pq.ParquetFile, "iter_batches", None)
    cut: list[Piece] = list(pieces_of([path], LIMIT))
    assert sum(piece.stop - piece.start for piece in cut if isinstance(piece, Rows)) == 200
