"""Texts in the cells of tables: structures as CIF, POSCAR, XYZ, JSON, or as Python prints a dictionary."""

from __future__ import annotations

import ast
import json
import re
from typing import TYPE_CHECKING, Any

from cryskit.data.readers.cif import read_blocks
from cryskit.errors import SizeError, UnreadableError
from cryskit.types import Failure

if TYPE_CHECKING:
    from cryskit.types import Crystal

LONGEST = 1_000_000
"""Characters of the longest text that is read as a dictionary printed by Python; it takes a hundred times their memory."""
_CIF = re.compile(r"^\s*(?:data_|loop_|_cell|_atom)", re.IGNORECASE | re.MULTILINE)
_NUMBERS = re.compile(
    r"\s*[-+]?[\d.]+(?:[eEdD][-+]?\d+)?(?:\s+[-+]?[\d.]+(?:[eEdD][-+]?\d+)?){0,2}\s*(?:[!#].*)?", re.ASCII
)


def dictionary_of(text: str) -> Any:
    """Return what a text that begins like a dictionary says, in JSON or as Python prints it.

    Args:
        text: Text of the cell.

    Raises:
        SizeError: It is no JSON, and longer than LONGEST.
        UnreadableError: It is neither.
    """
    try:
        return json.loads(text)
    except RecursionError as error:
        raise UnreadableError("The structure is nested too deeply", "Give pymatgen's as_dict as JSON") from error
    except ValueError as error:
        reason = error
    if len(text) > LONGEST:
        raise SizeError(f"The structure is no whole JSON ({reason}) and longer than 1 MB", "Write it with json.dumps")
    try:
        return ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError) as error:
        raise UnreadableError(
            f"The structure is no whole JSON ({reason}), nor a dictionary as Python prints it",
            "Write it whole, with json.dumps",
        ) from error


def from_text(text: str, name: str, limit: int) -> Crystal:
    """Return the crystal of a CIF, POSCAR or XYZ in a cell of a table.

    Args:
        text: Text of the cell.
        name: Id of the crystal.
        limit: Number of atoms that a cell may have.

    Raises:
        CrystalError: It holds none that can be used.
    """
    head, _, rest = text.lstrip("\n").partition("\n")
    second = rest.partition("\n")[0]
    if _CIF.search(text):
        row = next(read_blocks(text, name, "", limit))
        if isinstance(row, Failure):
            raise row.error
        return row
    if _NUMBERS.fullmatch(second):
        from cryskit.data.readers.poscar import parse  # noqa: PLC0415 - here and below: only who needs it waits

        return parse(text.lstrip("\n"), name, limit)
    if head.strip().isdecimal():
        from cryskit.data.readers.from_ase import from_image  # noqa: PLC0415

        return from_image(text.lstrip("\n"), name, limit)
    shown = " ".join(text.split())[:40]
    raise UnreadableError(f"The text {shown!r} is no structure", "Give the text of a CIF, a POSCAR, an XYZ or JSON")
