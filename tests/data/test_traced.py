"""Rows can be traced to where they came from: ids, paths, folders within folders, tables of ids, keys and indices."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from ase.build import bulk
from data.samples import cif, p1
from pymatgen.core import Lattice, Structure

from cryskit.data.read import read
from cryskit.data.readers.labels import labels_of
from cryskit.errors import DataError, FilesNotReadWarning
from cryskit.types import Crystal, Failure

if TYPE_CHECKING:
    from pathlib import Path

IRON = p1("Fe1 Fe 0 0 0 1", "Fe2 Fe 0.5 0.5 0.5 1", cell=(2.87, 2.87, 2.87, 90, 90, 90))
SALT = Structure(Lattice.cubic(4.12), ["Cs", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]])
SILICON = Structure(Lattice.cubic(5.43), ["Si", "Si"], [[0, 0, 0], [0.25, 0.25, 0.25]])


def put(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Folders of VASP runs, two of which have the same name, and a CIF file."""
    for place in ("a", "b", "old/b"):
        SALT.to(filename=str(put(tmp_path / "runs" / place / "CONTCAR", "")), fmt="poscar")
    put(tmp_path / "runs" / "Fe.cif", IRON)
    return tmp_path / "runs"


IDS = {"Fe": "Fe.cif", "a/CONTCAR": "a/CONTCAR", "runs/b/CONTCAR": "b/CONTCAR", "old/b/CONTCAR": "old/b/CONTCAR"}


def test_folders_in_a_folder_are_read_and_every_row_has_an_id_and_a_path_of_its_own(runs: Path) -> None:
    rows = list(read(runs))
    assert {row.id: row.path for row in rows} == {name: str(runs / path) for name, path in IDS.items()}


def test_a_list_of_files_and_folders_has_ids_that_tell_them_apart(runs: Path) -> None:
    files = [runs / "a" / "CONTCAR", runs / "b" / "CONTCAR"]
    assert [row.id for row in read(files)] == ["a/CONTCAR", "b/CONTCAR"]
    assert [row.id for row in read(list(map(str, files)))] == ["a/CONTCAR", "b/CONTCAR"]
    assert [row.id for row in read([runs / "a", runs / "b"])] == ["a/CONTCAR", "b/CONTCAR"]
    assert [row.id for row in read(files[:1])] == ["CONTCAR"]


def test_a_file_that_cannot_be_read_is_traced_as_well(runs: Path) -> None:
    put(runs / "c" / "CONTCAR", "nothing")
    (row,) = (row for row in read(runs) if isinstance(row, Failure))
    assert (row.id, row.path) == ("c/CONTCAR", str(runs / "c" / "CONTCAR"))


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        (["a/Si.cif", "b/Ge.cif"], ["Si", "Ge"]),
        (["a/Si.cif", "a/Si.vasp"], ["Si.cif", "Si.vasp"]),
        (["a/Si.cif", "b/Si.cif", "b/Si.vasp"], ["a/Si", "b/Si", "Si.vasp"]),
        (["x/a/POSCAR", "y/a/POSCAR", "b/POSCAR"], ["x/a/POSCAR", "y/a/POSCAR", "b/POSCAR"]),
        (["/x/a/POSCAR", "/a/POSCAR"], ["x/a/POSCAR", "/a/POSCAR"]),
        (["Si.cif", "Si.cif"], ["Si"]),
    ],
)
def test_the_id_is_the_shortest_path_that_tells_files_apart(paths: list[str], expected: list[str]) -> None:
    assert list(labels_of(paths).values()) == expected


def test_what_is_not_read_in_folders_of_a_folder_is_named(runs: Path) -> None:
    put(runs / "a" / "INCAR", "x")
    with pytest.warns(FilesNotReadWarning, match=r"1 in .*runs not read: a/INCAR"):
        list(read(runs))


def test_a_folder_that_links_to_itself_ends(runs: Path) -> None:
    (runs / "a" / "up").symlink_to(runs, target_is_directory=True)
    assert len(list(read(runs))) == 4


def test_the_folder_of_a_training_among_the_data_is_no_data(runs: Path) -> None:
    put(runs / "x.safetensors.run" / "split.json", "{}")
    assert len(list(read(runs))) == 4


def test_a_dictionary_of_structures_keeps_its_keys() -> None:
    rows = list(read({"salt": SALT, 7: bulk("Si"), "broken": None}))
    assert [row.id for row in rows] == ["salt", "7", "broken"]
    assert [type(row) for row in rows] == [Crystal, Crystal, Failure]


def test_a_series_keeps_its_index() -> None:
    rows = list(read(pd.Series([SALT, SILICON.as_dict(), IRON], index=["salt", "silicon", "iron"])))
    assert [(row.id, len(row)) for row in rows if isinstance(row, Crystal)] == [
        ("salt", 2),
        ("silicon", 2),
        ("iron", 2),
    ]


class Document:
    """What mp-api returns, as far as it is read: a structure, an id that is no plain text, numbers."""

    def __init__(self, material_id: str, structure: Structure, band_gap: float) -> None:
        self.structure = structure
        self.material_id = _Id(material_id)
        self.band_gap = band_gap
        self.symmetry = object()


class _Id:
    def __init__(self, name: str) -> None:
        self.name = name

    def __str__(self) -> str:
        return self.name


def test_documents_of_mp_api_are_rows_with_their_id_and_labels() -> None:
    documents = [Document("mp-22865", SALT, 5.4), Document("mp-149", SILICON, 0.6)]
    expected = [("mp-22865", {"band_gap": 5.4}), ("mp-149", {"band_gap": 0.6})]
    for source in (documents, {"data": documents}):
        assert [(row.id, dict(row.targets)) for row in read(source) if isinstance(row, Crystal)] == expected
    assert [row.id for row in read({"mine": documents[0]})] == ["mine"]


@pytest.mark.parametrize("where", ["memory", "file"])
def test_rows_under_data_are_read(where: str, tmp_path: Path) -> None:
    answer: dict[str, Any] = {"data": [{"material_id": "mp-1", "structure": SALT.as_dict(), "band_gap": 5.0}]}
    source = answer if where == "memory" else put(tmp_path / "answer.json", json.dumps(answer))
    assert [(row.id, dict(row.targets)) for row in read(source) if isinstance(row, Crystal)] == [
        ("mp-1", {"band_gap": 5.0})
    ]


TABLES = {
    "ids": "id,band_gap\nmp-1,1.0\nmp-2,2.0\n",
    "names": "file,band_gap,note\nmp-1.cif,1.0,x\nmp-2.cif,2.0,y\n",
    "first column": "compound,band_gap\nmp-1,1.0\nmp-2,2.0\n",
    "semicolons": "material_id;band_gap\nmp-1;1,0\nmp-2;2,0\n",
    "in a folder": "id,band_gap\ndeeper/mp-1,1.0\ndeeper/mp-2.cif,2.0\n",
}


@pytest.fixture
def structures(tmp_path: Path) -> Path:
    put(tmp_path / "cifs" / "deeper" / "mp-1.cif", cif())
    put(tmp_path / "cifs" / "deeper" / "mp-2.cif", IRON)
    return tmp_path / "cifs"


@pytest.mark.parametrize("table", TABLES.values(), ids=list(TABLES))
def test_a_table_of_ids_and_a_folder_of_structures_belong_together(
    structures: Path, table: str, tmp_path: Path
) -> None:
    rows = list(read(put(tmp_path / "labels.csv", table), structures=structures))
    assert [row.path.rpartition("/")[2] for row in rows] == ["mp-1.cif", "mp-2.cif"]
    assert [dict(row.targets) for row in rows if isinstance(row, Crystal)] == [{"band_gap": 1.0}, {"band_gap": 2.0}]
    assert [row.id.rpartition("/")[2].removesuffix(".cif") for row in rows] == ["mp-1", "mp-2"]


def test_a_frame_of_ids_and_a_folder_of_structures_belong_together(structures: Path) -> None:
    frame = pd.DataFrame({"id": ["mp-2", "mp-1", "mp-3"], "band_gap": [2.0, 1.0, 3.0]})
    rows = list(read(frame, structures=str(structures)))
    assert [row.id for row in rows] == ["mp-2", "mp-1", "mp-3"]
    assert isinstance(rows[2], Failure)
    assert f"no structure file for 'mp-3' in {structures}" in str(rows[2].error)


def test_a_table_without_header_has_targets_without_name(structures: Path, tmp_path: Path) -> None:
    rows = list(read(put(tmp_path / "labels.csv", "mp-1,1.0\nmp-2,2.0\n"), structures=structures))
    assert [dict(row.targets) for row in rows if isinstance(row, Crystal)] == [{"target": 1.0}, {"target": 2.0}]


def test_a_name_that_may_be_two_files_is_a_failure(structures: Path, tmp_path: Path) -> None:
    put(structures / "other" / "mp-1.cif", cif())
    first, _ = read(put(tmp_path / "labels.csv", TABLES["ids"]), structures=structures)
    assert isinstance(first, Failure)
    assert "'mp-1' may be any of deeper/mp-1.cif, other/mp-1.cif" in str(first.error)


@pytest.mark.usefixtures("structures")
def test_columns_of_paths_and_of_cif_texts_are_read(tmp_path: Path) -> None:
    table = put(tmp_path / "paths.csv", "cif_path,band_gap\ncifs/deeper/mp-2.cif,2.0\nnone.cif,1.0\n")
    found, lost = read(table)
    assert isinstance(found, Crystal)
    assert (found.id, dict(found.targets), len(found)) == ("mp-2", {"band_gap": 2.0}, 2)
    assert isinstance(lost, Failure)
    assert "There is no file 'none.cif' where its table is" in str(lost.error)
    texts = pd.DataFrame({"cif_string": [IRON], "band_gap": [0.0]})
    assert [len(row) for row in read(texts) if isinstance(row, Crystal)] == [2]
    with table.open("rb") as opened, pytest.raises(DataError, match="and no structures"):
        read(opened)


@pytest.mark.filterwarnings("ignore::cryskit.errors.FilesNotReadWarning")
@pytest.mark.parametrize("table", ["id,band_gap\nmp-1,1.0\n", "mp-1,1.0\n"])
def test_the_table_in_a_folder_may_have_any_name(structures: Path, table: str) -> None:
    put(structures / "my labels.csv", table)
    (row,) = read(structures)
    assert isinstance(row, Crystal)
    assert (row.id, list(row.targets.values())) == ("mp-1", [1.0])


@pytest.mark.filterwarnings("ignore::cryskit.errors.FilesNotReadWarning")
def test_predictions_in_a_folder_are_no_labels(structures: Path) -> None:
    put(structures / "predicted.csv", "id,band_gap,status,reason\nmp-1,1.0,ok,\n")
    assert [dict(row.targets) for row in read(structures) if isinstance(row, Crystal)] == [{}, {}]


def test_the_error_says_what_was_looked_for(tmp_path: Path) -> None:
    table = put(tmp_path / "labels.csv", "id,band_gap\nmp-1,1.0\n")
    with pytest.raises(
        DataError, match=r"columns id, band_gap and no structures.*structure, atoms, cif.*cif_path.*--structures"
    ):
        read(table)
    with pytest.raises(DataError, match="is no folder"):
        read(table, structures=tmp_path / "nowhere")
