"""Rows that are dictionaries (JSON of pymatgen, Matbench, JARVIS, OPTIMADE and ASE, frames) to crystals."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

import numpy as np

from cryskit.data.readers import exchange
from cryskit.data.readers.cells import dictionary_of, from_text
from cryskit.data.readers.objects import from_object, is_structure_object, kind_of
from cryskit.data.readers.stated import compared
from cryskit.data.readers.symbols import atomic_number
from cryskit.data.row_labels import with_labels
from cryskit.data.targets import known_id, known_text
from cryskit.data.validate import make_row
from cryskit.errors import CrystalError, DataError, SizeError, UnreadableError, one_line
from cryskit.types import Crystal, Failure

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cryskit.data.files import InputFile

STRUCTURES = ("structure", "atoms", "cif", "cif_string", "final_structure", "initial_structure", "poscar", "xyz")
"""Columns that hold a structure, the first that is there."""
_ARRAYS = ("atomic_numbers", "lattice", "frac_coords")


def read_record(record: Mapping[str, Any], name: str, source: str, limit: int) -> Crystal | Failure:
    """Return the crystal of a row, with its labels and text.

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
    if not isinstance(value, dict):
        return False
    known = value.keys() >= {"lattice", "sites"} or "lattice_mat" in value or value.keys() >= set(_ARRAYS)
    return known or exchange.is_optimade(value) or exchange.is_ase(value)


def _from_record(record: Mapping[str, Any], name: str, limit: int) -> Crystal:
    if _is_structure(record):
        crystal = from_value(record, name, limit)
        columns = {column: value for column, value in _columns(record).items() if column != "charge"}
    else:
        value = next((record[column] for column in STRUCTURES if record.get(column) is not None), None)
        if value is None:
            raise UnreadableError("The row has no structure", f"Give it one of {', '.join(STRUCTURES)}")
        crystal = compared(from_value(value, name, limit), record)
        columns = dict(record)
    return with_labels(replace(crystal, id=name, text=known_text(columns) or crystal.text), columns)


def _columns(record: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what a structure says of itself in addition, by column."""
    if exchange.is_optimade(record) or exchange.is_ase(record):
        return exchange.properties_of(record)
    known = record.get("properties") if "sites" in record else record
    return known if isinstance(known, dict) else {}


def from_value(value: Any, name: str, limit: int) -> Crystal:
    """Return the crystal that a cell of a table holds.

    Args:
        value: Structure as dictionary or object, or as text: JSON, CIF, POSCAR, XYZ, or a dictionary as Python prints it.
        name: Id of the crystal.
        limit: Number of atoms that a cell may have.

    Raises:
        CrystalError: It holds none that can be used.
    """
    if isinstance(value, str):
        is_dictionary = value.lstrip().startswith("{")
        return from_value(dictionary_of(value), name, limit) if is_dictionary else from_text(value, name, limit)
    if not isinstance(value, dict):
        if kind_of(value) is None:
            raise UnreadableError(f"A {type(value).__name__} is no structure", "Give a pymatgen, ASE or JSON structure")
        return from_object(value, name)
    if not _is_structure(value):
        raise UnreadableError(
            f"The structure has only {', '.join(map(str, list(value)[:5])) or 'nothing'}",
            "Give pymatgen's lattice and sites, JARVIS' lattice_mat, coords and elements, ASE's numbers, positions and cell, "
            "or the fields of OPTIMADE",
        )
    try:
        return compared(_from_dictionary(value, name), value)
    except (ArithmeticError, LookupError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise UnreadableError(f"The structure is damaged ({one_line(error)[:200]})", "Give it whole") from error


def _from_dictionary(data: Mapping[str, Any], name: str) -> Crystal:
    if "sites" in data:
        placed = _placed(data)
        return _plain(placed, name) or _from_pymatgen(placed, name)
    if exchange.is_optimade(data):
        return exchange.from_optimade(data, name)
    if exchange.is_ase(data):
        return exchange.from_ase_dictionary(data, name)
    if "lattice_mat" in data:
        return _from_jarvis(data, name)
    lattice = np.array(data["lattice"], dtype=np.float64).reshape(3, 3)
    fractional = np.array(data["frac_coords"], dtype=np.float64).reshape(-1, 3)
    return Crystal(name, lattice, fractional, exchange.whole(data["atomic_numbers"]))


def _placed(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return pymatgen's dictionary with fractional coordinates also where sites have Cartesian ones only."""
    if all("abc" in site for site in data["sites"]):
        return data
    lattice = np.array(data["lattice"]["matrix"], dtype=np.float64)
    positions = np.array([site["xyz"] for site in data["sites"]], dtype=np.float64).reshape(-1, 3)
    places = exchange.fractional(lattice, positions).tolist()
    return {**data, "sites": [site | {"abc": place} for site, place in zip(data["sites"], places, strict=True)]}


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
        positions = exchange.fractional(lattice, positions)
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
    except (UnreadableError, SizeError) as error:
        raise DataError(f"{file.name}: {error.problem}", error.cure) from error
    for label, record in records_in(data, file.id, file.name):
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
                    yield from _line(line, f"{file.id}:{i}", file.name, limit)
    except (UnreadableError, SizeError) as error:
        raise DataError(f"{file.name}: {error.problem}", error.cure) from error
    if is_empty:
        raise DataError(f"{file.name} is empty", "Give a line of JSON for each crystal")


def _line(line: bytes, name: str, path: str, limit: int) -> Iterator[Crystal | Failure]:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        problem = UnreadableError(f"The line is no whole JSON ({error})", "Fetch or write it again", f"{path}, {name}")
        yield Failure(name, problem)
    else:
        if not exchange.is_head(record):
            yield read_record(record if isinstance(record, dict) else {}, name, path, limit)


def holds_records(data: Mapping[str, Any]) -> bool:
    """Return whether a dictionary that is no record holds some: by name, or as the list or table "data".

    Args:
        data: Dictionary as JSON has it.
    """
    return isinstance(data.get("data"), list | dict) or _has_records(data)


def records_in(data: Any, name: str, path: str) -> Iterator[tuple[str, Any]]:
    """Yield the rows of a JSON document with their labels.

    Args:
        data: The document; in Python its structures may be objects.
        name: Name of the document, from which rows without a name are called.
        path: Path of the document, for the error message.

    Raises:
        DataError: It holds no structures.
    """
    if is_record(data):
        yield name, data
    elif isinstance(data, list) and (not data or any(is_record(item) or is_structure_object(item) for item in data)):
        yield from ((f"{name}:{i}", item) for i, item in enumerate(data))
    elif isinstance(data, dict) and isinstance(data.get("data"), list) and isinstance(data.get("columns"), list):
        columns = [str(column) for column in data["columns"]]
        index = data.get("index") if isinstance(data.get("index"), list) else range(len(data["data"]))
        for label, row in zip_longest(index or range(len(data["data"])), data["data"]):
            record = dict(zip(columns, row, strict=False)) if isinstance(row, list) else None
            yield label if isinstance(label, str) else f"{name}:{label}", record
    elif isinstance(data, dict) and isinstance(data.get("data"), list | dict) and not _has_records(data):
        yield from records_in(data["data"], name, path)  # the answer of an OPTIMADE data base
    elif isinstance(data, dict) and isinstance(data.get("ids"), list) and _has_records(data):
        rows = {key: row for key, row in data.items() if key.isdecimal()}  # ASE's data base
        yield from ((name if len(rows) == 1 else f"{name}:{key}", row) for key, row in rows.items())
    elif isinstance(data, dict) and _has_records(data):
        yield from data.items()
    else:
        raise DataError(
            f"{path} holds no structures",
            "Give a pymatgen structure, a list of them, JARVIS entries (jid, atoms), an answer of OPTIMADE, a data base of "
            "ASE, or a frame with a structure column",
        )


def _has_records(data: Mapping[str, Any]) -> bool:
    return any(is_record(item) for item in data.values())
