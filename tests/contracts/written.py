"""Crystals as files of every format, and what the tests of the readers compare."""

from __future__ import annotations

import io
import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Protocol

import ase.io
import numpy as np
import pandas as pd
import pytest
from ase import Atoms
from data.samples import p1
from pymatgen.core import Structure
from pymatgen.io.vasp.inputs import Poscar

from cryskit.data.read import read_one
from cryskit.data.readers.formats import FORMATS, Format
from cryskit.errors import UnreadableError
from cryskit.types import Crystal, Failure

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

EXAMPLES = Path(__file__).parents[2] / "examples"
CRYSTALS = [read_one(EXAMPLES / f"{name}.cif") for name in ("CsCl", "GaN", "TiO2-rutile")]
BAD = Crystal("bad", 4.0 * np.eye(3), np.zeros((2, 3)), np.array([26, 8]))  # two atoms on one place


def structure(crystal: Crystal) -> Structure:
    return Structure(crystal.lattice, crystal.numbers, crystal.fractional)


def cifs(crystals: Sequence[Crystal], **_: bool) -> bytes:
    def one(crystal: Crystal) -> str:
        cell = [f"{x:.12f}" for x in structure(crystal).lattice.parameters]
        places = zip(structure(crystal).species, crystal.fractional, strict=True)
        sites = (f"{s}{i} {s} {' '.join(f'{x:.12f}' for x in xyz)} 1" for i, (s, xyz) in enumerate(places))
        return p1(*sites, cell=cell)

    return "".join(map(one, crystals)).encode()


def poscar(crystals: Sequence[Crystal], **_: bool) -> bytes:
    (crystal,) = crystals
    return Poscar(structure(crystal)).get_str(significant_figures=16).encode()


def xyz(crystals: Sequence[Crystal], *, labelled: bool = False) -> bytes:
    written = io.StringIO()
    for c in crystals:
        atoms = Atoms(c.numbers, cell=c.lattice, scaled_positions=c.fractional, pbc=True)
        atoms.info |= {"id": c.id} if labelled else {}
        ase.io.write(written, atoms, format="extxyz")
    return written.getvalue().encode()


def records(crystals: Sequence[Crystal], *, labelled: bool) -> list[dict[str, Any]]:
    found = [structure(crystal).as_dict() for crystal in crystals]
    return [{"id": c.id, "structure": each} for c, each in zip(crystals, found, strict=True)] if labelled else found


def dictionaries(crystals: Sequence[Crystal], *, labelled: bool = False) -> bytes:
    found = records(crystals, labelled=labelled)
    return json.dumps(found if len(found) > 1 else found[0]).encode()


def lines(crystals: Sequence[Crystal], *, labelled: bool = False) -> bytes:
    return "".join(f"{json.dumps(record)}\n" for record in records(crystals, labelled=labelled)).encode()


def frame(crystals: Sequence[Crystal], *, labelled: bool) -> pd.DataFrame:
    found = pd.DataFrame({"structure": [structure(crystal).to_json() for crystal in crystals]})
    return found.assign(id=[crystal.id for crystal in crystals]) if labelled else found


def csv(crystals: Sequence[Crystal], *, labelled: bool = False) -> bytes:
    return frame(crystals, labelled=labelled).to_csv(index=False).encode()


def parquet(crystals: Sequence[Crystal], *, labelled: bool = False) -> bytes:
    written = io.BytesIO()
    frame(crystals, labelled=labelled).to_parquet(written)
    return written.getvalue()


def by_ase(kind: str, **settings: Any) -> Writer:
    """Return what writes crystals in a format of ASE, by way of a file, since some of its writers take nothing else."""

    def write(crystals: Sequence[Crystal], **_: bool) -> bytes:
        atoms = [Atoms(c.numbers, cell=c.lattice, scaled_positions=c.fractional, pbc=True) for c in crystals]
        with TemporaryDirectory() as folder:
            path = Path(folder) / f"file.{kind}"
            ase.io.write(path, atoms if len(atoms) > 1 else atoms[0], format=kind, **settings)
            return path.read_bytes()

    return write


def castep(crystals: Sequence[Crystal], **_: bool) -> bytes:
    (crystal,) = crystals
    cell = "\n".join(" ".join(f"{x:.12f}" for x in vector) for vector in crystal.lattice)
    places = zip(structure(crystal).species, crystal.fractional, strict=True)
    sites = "\n".join(f"{s} {' '.join(f'{x:.12f}' for x in xyz)}" for s, xyz in places)
    return f"%BLOCK LATTICE_CART\n{cell}\n%ENDBLOCK LATTICE_CART\n%BLOCK POSITIONS_FRAC\n{sites}\n%ENDBLOCK POSITIONS_FRAC\n".encode()


class Writer(Protocol):
    """Writes crystals in a format; labelled, with their ids where the format has a place for them."""

    def __call__(self, crystals: Sequence[Crystal], *, labelled: bool = ...) -> bytes: ...


WRITERS: dict[str, Writer] = {
    "CIF": cifs,
    "POSCAR": poscar,
    "XYZ": xyz,
    "JSON": dictionaries,
    "JSON lines": lines,
    "CSV": csv,
    "Parquet": parquet,
    "SHELX": by_ase("res"),
    "CASTEP": castep,
    "XCrySDen": by_ase("xsf"),
    "DFTB+": by_ase("gen"),
    "Quantum ESPRESSO": by_ase(
        "espresso-in", pseudopotentials=dict.fromkeys(("Cs", "Cl", "Ga", "N", "Ti", "O", "Fe"), "of.upf")
    ),
    "ASE trajectory": by_ase("traj"),
    "ASE database": by_ase("db"),
}
"""How crystals are written in each format."""
ONE_EACH = {"POSCAR", "XCrySDen", "SHELX", "CASTEP", "DFTB+", "Quantum ESPRESSO"}
"""Formats whose files hold one crystal."""
OUTPUTS = {"VASP XML", "OUTCAR", "XDATCAR"}
"""Formats without a writer of single crystals and of many."""
NO_IDS = {"CIF", "POSCAR", "XCrySDen", "ASE trajectory", "ASE database"}
"""Formats without a place for ids."""
TABLES = {"JSON lines", "CSV", "Parquet"}
"""Formats in which a single row is counted, too."""
BINARY = {"Parquet", "ASE trajectory", "ASE database"}
"""Formats that are no text."""


def each(kinds: Sequence[Format]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("form", kinds, ids=lambda form: form.name)


_WRITTEN = [form for form in FORMATS if form.name not in OUTPUTS]
formats = each(_WRITTEN)
of_many = each([form for form in _WRITTEN if form.name not in ONE_EACH])
of_text = each([form for form in _WRITTEN if form.name not in BINARY])


def content(form: Format) -> bytes:
    """Return a file of good and bad rows, or of one good one."""
    return WRITERS[form.name](CRYSTALS[:1] if form.name in ONE_EACH else [CRYSTALS[0], BAD, *CRYSTALS[1:]])


def plain(row: Crystal | Failure) -> list[Any]:
    """Return all that a row says, the place it came from aside."""
    if isinstance(row, Failure):
        return [row.id, type(row.error), row.error.problem, row.error.cure]
    return [row.id, row.lattice.tolist(), row.fractional.tolist(), row.numbers.tolist(), row.text, dict(row.targets)]


def plain_rows(rows: Iterator[Crystal | Failure]) -> list[list[Any]]:
    return [plain(row) for row in rows]


def names(row: Failure, name: str) -> bool:
    """Return whether a failure is of a file that cannot be read, and says which."""
    return isinstance(row.error, UnreadableError) and name in str(row.error) and bool(row.error.cure)
