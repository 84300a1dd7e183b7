"""The interchange Parquet: exact, streaming, atomic, and patient with damaged rows."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cryskit.data.interchange import ROWS, manifest, manifest_of, read_rows, write
from cryskit.errors import CoordinatesError, DataError, ElementError, LatticeError, UnreadableError
from cryskit.types import Crystal, Failure

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ROCKSALT = np.array([[0.0, 2.82, 2.82], [2.82, 0.0, 2.82], [2.82, 2.82, 0.0]])


def salt(name: str = "NaCl", text: str | None = None, **targets: float) -> Crystal:
    return Crystal(name, ROCKSALT, np.array([[0, 0, 0], [0.5, 0.5, 0.5]]), np.array([11, 17]), text, targets)


def iron(name: str = "Fe", **targets: float) -> Crystal:
    return Crystal(name, 2.87 * np.eye(3), np.array([[0, 0, 0], [0.5, 0.5, 0.5]]), np.array([26, 26]), None, targets)


def row(**changes: Any) -> dict[str, Any]:
    good = {"id": "a", "atomic_numbers": [26], "lattice": [2.8, 0, 0, 0, 2.8, 0, 0, 0, 2.8], "frac_coords": [0, 0, 0]}
    return good | changes


def table(path: Path, *rows: dict[str, Any]) -> Path:
    pq.write_table(pa.Table.from_pylist(list(rows)), path)
    return path


def crystals(path: Path) -> list[Crystal]:
    found = list(read_rows(path))
    assert all(isinstance(item, Crystal) for item in found)
    return [item for item in found if isinstance(item, Crystal)]


def test_what_is_written_comes_back_bit_for_bit(tmp_path: Path) -> None:
    given = [salt(band_gap=5.0, bulk_modulus=24.9, text="rock salt"), iron(total_magnetization=2.2), salt("other")]
    written = write(tmp_path / "three.parquet", given)
    found = crystals(tmp_path / "three.parquet")
    assert [c.id for c in found] == ["NaCl", "Fe", "other"]
    assert [c.fingerprint for c in found] == [c.fingerprint for c in given]
    assert [c.targets for c in found] == [c.targets for c in given]
    assert [c.text for c in found] == ["rock salt", None, None]
    assert written == (3, manifest(given))
    assert manifest_of(tmp_path / "three.parquet") == manifest(found) == manifest(given)


def test_the_columns_are_those_of_the_format(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", [salt(band_gap=5.0)])
    found = pq.read_table(tmp_path / "a.parquet")
    assert found.column_names == ["id", "atomic_numbers", "lattice", "frac_coords", "band_gap"]
    assert found.to_pylist()[0]["lattice"] == ROCKSALT.ravel().tolist()
    assert pq.ParquetFile(tmp_path / "a.parquet").metadata.row_group(0).column(0).compression == "ZSTD"


def test_the_manifest_depends_on_ids_content_and_order() -> None:
    hashes = [manifest(c) for c in ([salt(), iron()], [iron(), salt()], [salt("x"), iron()], [salt()], [])]
    assert len(set(hashes)) == 5
    assert manifest([salt(band_gap=1.0)]) == manifest([salt()])


def test_an_endless_source_is_written_group_by_group(tmp_path: Path) -> None:
    alive = 0

    def source() -> Iterator[Crystal]:
        nonlocal alive
        for index in range(2 * ROWS + 1):
            alive = index
            yield iron(f"fe-{index}", fermi_energy=float(index))

    written = write(tmp_path / "many.parquet", source(), properties=["fermi_energy"])
    assert written.rows == 2 * ROWS + 1
    assert pq.ParquetFile(tmp_path / "many.parquet").num_row_groups == 3
    found = crystals(tmp_path / "many.parquet")
    assert [c.targets["fermi_energy"] for c in found] == [float(i) for i in range(alive + 1)]


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    def source() -> Iterator[Crystal]:
        yield iron()
        raise RuntimeError("the source broke off")

    path = tmp_path / "a.parquet"
    write(path, [salt()])
    with pytest.raises(RuntimeError, match="broke off"):
        write(path, source(), properties=[])
    with pytest.raises(DataError, match="Fe has band_gap, which is no column"):
        write(path, [iron(band_gap=0.0)], properties=["fermi_energy"])
    with pytest.raises(DataError, match="cannot be called 'text'"):
        write(path, [iron(text2=0.0)], properties=["text"])
    assert [c.id for c in crystals(path)] == ["NaCl"]
    assert [file.name for file in tmp_path.iterdir()] == ["a.parquet"]


def test_columns_of_other_tools_get_their_registry_names(tmp_path: Path) -> None:
    path = table(tmp_path / "a.parquet", row(K_VRH=100, optb88vdw_bandgap=1.5, mine=7.0, note="words", flag=True))
    assert crystals(path)[0].targets == {"bulk_modulus": 100.0, "band_gap_optb88vdw": 1.5, "mine": 7.0}


def test_missing_labels_are_absent(tmp_path: Path) -> None:
    path = table(tmp_path / "a.parquet", row(band_gap=None), row(band_gap=float("nan")), row(band_gap=float("inf")))
    assert [c.targets for c in crystals(path)] == [{}, {}, {}]
    assert crystals(table(path, row(band_gap=0)))[0].targets == {"band_gap": 0.0}


def test_two_columns_for_one_property_are_refused(tmp_path: Path) -> None:
    path = table(tmp_path / "a.parquet", row(K_VRH=100.0, bulk_modulus=100.0))
    with pytest.raises(DataError, match="several columns for bulk_modulus: K_VRH, bulk_modulus"):
        list(read_rows(path))


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"lattice": [1.0] * 8}, LatticeError),
        ({"lattice": None}, LatticeError),
        ({"frac_coords": [0.0, 0.0]}, CoordinatesError),
        ({"frac_coords": None}, CoordinatesError),
        ({"atomic_numbers": None}, CoordinatesError),
        ({"atomic_numbers": [26, 26]}, CoordinatesError),
        ({"atomic_numbers": [None]}, ElementError),
    ],
)
def test_a_damaged_row_keeps_its_place(tmp_path: Path, changes: dict[str, Any], error: type) -> None:
    path = table(tmp_path / "a.parquet", row(id="first"), row(id="bad", **changes), row(id="last"))
    first, bad, last = read_rows(path)
    assert (first.id, bad.id, last.id) == ("first", "bad", "last")
    assert isinstance(bad, Failure)
    assert type(bad.error) is error
    assert str(bad.error).startswith(f"{path}, bad: ")
    assert isinstance(first, Crystal)
    assert isinstance(last, Crystal)


def test_a_row_without_id_is_named_by_its_number(tmp_path: Path) -> None:
    path = table(tmp_path / "a.parquet", row(), row(id=None))
    assert [c.id for c in crystals(path)] == ["a", "row 1"]


def test_other_list_types_are_read(tmp_path: Path) -> None:
    columns = {
        "id": pa.array([7]),
        "atomic_numbers": pa.array([[26]], pa.large_list(pa.int64())),
        "lattice": pa.array([np.eye(3).ravel() * 2.8], pa.list_(pa.float32(), 9)),
        "frac_coords": pa.array([[0, 0, 0]], pa.list_(pa.int32())),
    }
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    assert crystals(tmp_path / "a.parquet")[0].id == "7"


def test_a_damaged_part_fails_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    write(path, [iron(f"fe-{i}", fermi_energy=float(i)) for i in range(3 * ROWS)])
    chunk = pq.read_metadata(path).row_group(1).column(4)
    content = bytearray(path.read_bytes())
    middle = chunk.dictionary_page_offset or chunk.data_page_offset
    content[middle + chunk.total_compressed_size // 2] ^= 0xFF
    path.write_bytes(content)
    found = list(read_rows(path))
    assert len(found) == 3 * ROWS
    assert [isinstance(item, Failure) for item in found] == [False] * ROWS + [True] * ROWS + [False] * ROWS
    assert found[ROWS].id == f"row {ROWS}"
    assert isinstance(found[ROWS].error, UnreadableError)  # type: ignore[union-attr]


def test_files_of_another_kind_are_refused(tmp_path: Path) -> None:
    text, cut, other, words = (tmp_path / name for name in ("text", "cut", "other", "words"))
    text.write_text("id,a\n1,2\n")
    write(cut, [salt()])
    cut.write_bytes(cut.read_bytes()[:-20])
    for path in (text, cut, tmp_path / "absent"):
        with pytest.raises(DataError, match="no Parquet file"):
            list(read_rows(path))
        with pytest.raises(DataError, match="no Parquet file"):
            manifest_of(path)
    pq.write_table(pa.table({"id": ["a"], "structure": ["{}"]}), other)
    with pytest.raises(DataError, match="no column atomic_numbers, lattice, frac_coords; it has id, structure"):
        list(read_rows(other))
    assert manifest_of(other) is None
    table(words, row(lattice="1 0 0"))
    with pytest.raises(DataError, match="string in the column lattice"):
        list(read_rows(words))


def test_a_file_without_rows_is_empty(tmp_path: Path) -> None:
    assert write(tmp_path / "a.parquet", []).rows == 0
    assert list(read_rows(tmp_path / "a.parquet")) == []


def test_tensors_are_written_with_the_properties_that_are_named(tmp_path: Path) -> None:
    known = replace(salt(band_gap=5.0), tensors={"dielectric_tensor": np.diag([2.0, 3.0, 4.0])})
    write(tmp_path / "all.parquet", [known])
    write(tmp_path / "named.parquet", [known], ["dielectric_tensor", "band_gap"])
    for name in ("all", "named"):
        (got,) = crystals(tmp_path / f"{name}.parquet")
        assert got.targets == {"band_gap": 5.0}
        assert got.tensors["dielectric_tensor"].tolist() == known.tensors["dielectric_tensor"].tolist()
    with pytest.raises(DataError, match="dielectric_tensor"):
        write(tmp_path / "lost.parquet", [known], ["band_gap"])
