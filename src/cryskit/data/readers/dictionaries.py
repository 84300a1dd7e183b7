"""Rows that are dictionaries (JSON of pymatgen, Matbench and JARVIS, frames) to crystals."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

import numpy as np

from cryskit.data.readers.cif import read_blocks
from cryskit.data.readers.objects import from_object, kind_of
from cryskit.data.readers.symbols import atomic_number
from cryskit.data.targets import known_id, known_text, targets
from cryskit.data.validate import make_row
from cryskit.errors import CrystalError, DataError, LatticeError, UnreadableError
from cryskit.types import Crystal, Failure

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cryskit.data.files import InputFile

STRUCTURES = ("structure", "atoms", "cif", "final_structure", "initial_structure")
"""Columns that hold a structure, the first that is there."""
_ARRAYS = ("atomic_numbers", "lattice", "frac_coords")


def read_record(record: Mapping[str, Any], name: str, source: str, limit: int) -> Crystal | Failure:
    """Return the crystal of a row, with its targets and text.

    Args:
        record: Column to value: a structure itself, or a row with one of STRUCTURES or the interchange columns.
        name: Id of the row if it names none.
        source: Name of the file or table, for error messages.
        limit: Number of atoms that a cell may have.
    """
    label = known_id(record) or name
    return make_row(label, f"{source}, {label}", lambda: _from_record(record, label, limit), limit)


def is_record(value: Any) -> bool:
    """Return whether a value is a dictionary that has a structure in a form known here."""
    return isinstance(value, dict) and (
        _is_structure(value) or any(value.get(column) is not None for column in STRUCTURES)
    )


def _is_structure(value: Any) -> bool:
    keys = set(value) if isinstance(value, dict) else set()
    return keys >= {"lattice", "sites"} or "lattice_mat" in keys or keys >= set(_ARRAYS)


def _from_record(record: Mapping[str, Any], name: str, limit: int) -> Crystal:
    if _is_structure(record):
        crystal = from_value(record, name, limit)
        known = record.get("properties") or {} if "sites" in record else record
        columns = {column: value for column, value in known.items() if column != "charge"}
    else:
        value = next((record[column] for column in STRUCTURES if record.get(column) is not None), None)
        if value is None:
            raise UnreadableError("The row has no structure", f"Give it one of {', '.join(STRUCTURES)}")
        crystal = from_value(value, name, limit)
        columns = dict(record)
    return replace(
        crystal, id=name, text=known_text(columns) or crystal.text, targets={**crystal.targets, **targets(columns)}
    )


def from_value(value: Any, name: str, limit: int) -> Crystal:
    """Return the crystal that a cell of a table holds.

    Args:
        value: Structure as dictionary, JSON, CIF text or object.
        name: Id of the crystal.
        limit: Number of atoms that a cell may have.

    Raises:
        CrystalError: It holds none that can be used.
    """
    if isinstance(value, str):
        return _from_text(value, name, limit)
    if not isinstance(value, dict):
        if kind_of(value) is None:
            raise UnreadableError(f"A {type(value).__name__} is no structure", "Give a pymatgen, ASE or JSON structure")
        return from_object(value, name)
    if not _is_structure(value):
        raise UnreadableError(
            f"The structure has only {', '.join(map(str, list(value)[:5])) or 'nothing'}",
            "Give pymatgen's lattice and sites, or JARVIS' lattice_mat, coords and elements",
        )
    try:
        return _from_dictionary(value, name)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise UnreadableError(f"The structure is damaged ({error!r})", "Give it whole") from error


def _from_text(text: str, name: str, limit: int) -> Crystal:
    if text.lstrip().startswith("{"):
        try:
            value = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise UnreadableError(f"The structure is no whole JSON ({error})", "Give it whole") from error
        return from_value(value, name, limit)
    row = next(read_blocks(text, name, "", limit))
    if isinstance(row, Failure):
        raise row.error
    return row


def _from_dictionary(data: Mapping[str, Any], name: str) -> Crystal:
    if "sites" in data:
        return _plain(data, name) or _from_pymatgen(data, name)
    if "lattice_mat" in data:
        return _from_jarvis(data, name)
    lattice = np.array(data["lattice"], dtype=np.float64).reshape(3, 3)
    fractional = np.array(data["frac_coords"], dtype=np.float64).reshape(-1, 3)
    return Crystal(name, lattice, fractional, np.array(data["atomic_numbers"]))


def _plain(data: Mapping[str, Any], name: str) -> Crystal | None:
    """Return pymatgen's dictionary of a structure as a crystal if nothing about it is doubtful, else None."""
    sites = data["sites"]
    species = [site["species"] for site in sites]
    ordered = all(len(here) == 1 and here[0]["occu"] == 1 for here in species)
    if not ordered or not all(data["lattice"].get("pbc", (True,))) or not all("abc" in site for site in sites):
        return None
    try:
        numbers = [atomic_number(here[0]["element"]) for here in species]
    except CrystalError:
        return None
    fractional = np.array([site["abc"] for site in sites], dtype=np.float64).reshape(-1, 3)
    return Crystal(name, np.array(data["lattice"]["matrix"], dtype=np.float64), fractional, np.array(numbers))


def _from_pymatgen(data: Mapping[str, Any], name: str) -> Crystal:
    from cryskit.data.readers.from_pymatgen import from_dictionary  # noqa: PLC0415 - pymatgen takes a second to import

    return from_dictionary(data, name)


def _from_jarvis(data: Mapping[str, Any], name: str) -> Crystal:
    lattice = np.array(data["lattice_mat"], dtype=np.float64)
    positions: np.ndarray = np.array(data["coords"], dtype=np.float64).reshape(-1, 3)
    if data.get("cartesian") in {True, "True", "true"}:
        try:
            positions = np.linalg.solve(lattice.T, positions.T).T.reshape(-1, 3)
        except np.linalg.LinAlgError as error:
            raise LatticeError(
                "The cell has no volume", "Give three independent lattice vectors in angstrom"
            ) from error
    return Crystal(name, lattice, positions, np.array([atomic_number(symbol.strip()) for symbol in data["elements"]]))


def read_file(file: InputFile, limit: int) -> Iterator[Crystal | Failure]:
    """Read a JSON file: a structure, a list or mapping of structures or rows, or a frame in "split" form.

    Args:
        file: JSON file, whose id is that of a single structure; rows without id are called by it, ":" and their index.
        limit: Number of atoms that a cell may have.

    Raises:
        DataError: It is no whole JSON, or holds nothing of the kind.
    """
    try:
        data = json.loads(file.read_bytes())
    except (ValueError, RecursionError) as error:
        raise DataError(f"{file.name} is no whole JSON ({error})", "Fetch or write it again") from error
    except UnreadableError as error:
        raise DataError(f"{file.name}: {error.problem}", error.cure) from error
    for label, record in _records(data, file.id, file.name):
        yield read_record(record if isinstance(record, dict) else {}, label, file.name, limit)


def read_lines(file: InputFile, limit: int) -> Iterator[Crystal | Failure]:
    """Read a file of JSON lines, each a structure or a row with one; a line is in memory at a time.

    Args:
        file: Text file of JSON lines; rows without id are called by its id, ":" and the number of their line, from 0.
        limit: Number of atoms that a cell may have.

    Raises:
        DataError: It cannot be opened or unpacked, or is empty.
    """
    is_empty = True
    try:
        with file.open() as lines:
            for i, line in enumerate(lines):
                if line.strip():
                    is_empty = False
                    yield _line(line, f"{file.id}:{i}", file.name, limit)
    except UnreadableError as error:
        raise DataError(f"{file.name}: {error.problem}", error.cure) from error
    if is_empty:
        raise DataError(f"{file.name} is empty", "Give a line of JSON for each crystal")


def _line(line: bytes, name: str, path: str, limit: int) -> Crystal | Failure:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        problem = UnreadableError(f"The line is no whole JSON ({error})", "Fetch or write it again", f"{path}, {name}")
        return Failure(name, problem)
    return read_record(record if isinstance(record, dict) else {}, name, path, limit)


def _records(data: Any, name: str, path: str) -> Iterator[tuple[str, Any]]:
    if is_record(data):
        yield name, data
    elif isinstance(data, list) and (not data or any(is_record(item) for item in data)):
        yield from ((f"{name}:{i}", item) for i, item in enumerate(data))
    elif isinstance(data, dict) and {"columns", "data"} <= data.keys():
        index = data.get("index") or range(len(data["data"]))
        for label, row in zip_longest(index, data["data"]):
            record = dict(zip(data["columns"], row, strict=False)) if isinstance(row, list) else None
            yield label if isinstance(label, str) else f"{name}:{label}", record
    elif isinstance(data, dict) and any(is_record(item) for item in data.values()):
        yield from data.items()
    else:
        raise DataError(
            f"{path} holds no structures",
            "Give a pymatgen structure, a list of them, JARVIS entries (jid, atoms) or a frame with a structure column",
        )
