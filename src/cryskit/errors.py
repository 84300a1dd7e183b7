"""The errors that cryskit raises: each says what was given, what was expected and what to do next."""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


QUOTED = 60
"""Characters of an input that a message quotes."""
QUOTED_PATH = 240
"""Characters of a path that a message quotes: its end matters most."""


class CryskitError(Exception):
    """The base of every error of cryskit: something that the user can act upon.

    Args:
        problem: What was given and what was expected, as a sentence without its full stop.
        cure: What to do next, as a sentence without its full stop, or a question with its mark.

    Example:
        >>> from cryskit import CryskitError
        >>> print(CryskitError("There is no column 'K_VRH'", "Give one of the columns of the table"))
        There is no column 'K_VRH'. Give one of the columns of the table.
    """

    def __init__(self, problem: str, cure: str) -> None:
        super().__init__(problem, cure)
        self.problem = problem
        self.cure = cure

    def __str__(self) -> str:
        return f"{self.problem}. {self.cure}{'' if self.cure.endswith('?') else '.'}"


class CrystalError(CryskitError):
    """One crystal cannot be used; the other rows of its source are not affected.

    Args:
        problem: What is wrong with the crystal, as a sentence without its full stop.
        cure: What to do next, as a sentence without its full stop.
        source: The file or row from which the crystal came, "" if unknown.

    Example:
        >>> from cryskit import CrystalError
        >>> print(CrystalError("The cell has no volume", "Give three vectors that span a volume", "row 7"))
        row 7: The cell has no volume. Give three vectors that span a volume.
    """

    def __init__(self, problem: str, cure: str, source: str = "") -> None:
        super().__init__(problem, cure)
        self.source = source

    def __str__(self) -> str:
        return f"{self.source}: {super().__str__()}" if self.source else super().__str__()


class UnreadableError(CrystalError):
    """The file is truncated, binary, empty, or not in the format that its name says."""


class LatticeError(CrystalError):
    """The unit cell has no volume, or a length or angle that is no number."""


class CoordinatesError(CrystalError):
    """Atoms lack coordinates, or two atoms are at the same place."""


class ElementError(CrystalError):
    """A species is no element, or none for which the model has features."""


class DisorderError(CrystalError):
    """A site is partly occupied, or shared by several species."""


class SizeError(CrystalError):
    """The cell has no atoms, or more than the limit."""


class DescriptionError(CrystalError):
    """The crystal cannot be described in words."""


class DataError(CryskitError):
    """A whole data source cannot be read, or lacks what is needed.

    Example:
        >>> import cryskit
        >>> try:
        ...     list(cryskit.read("nowhere.cif"))
        ... except cryskit.DataError as error:
        ...     print(error.problem)
        There is no data set, file or folder called 'nowhere.cif'
    """


class DiskFullError(CryskitError):
    """There is no room left to write a file: on the disk, in a quota, or under a limit on its size."""


class ModelError(CryskitError):
    """A model file is damaged or unsafe, or does not fit what it is used for.

    Example:
        >>> import cryskit
        >>> try:
        ...     cryskit.load("examples/NaCl.cif")
        ... except cryskit.ModelError as error:
        ...     print(error.problem)
        examples/NaCl.cif is no model file ...
    """


class ExpressionError(CryskitError):
    """A condition cannot be read, or names what is not there; the message says at which character."""


class PlanError(CryskitError):
    """The plan of a run contradicts itself or its data."""


class ProcessEndedError(CryskitError):
    """A process crashed, or did not finish in time, while it worked on something."""


class UnknownNameError(CryskitError, KeyError):
    """A name is not in the registry; the error proposes similar ones.

    Args:
        kind: The kind of thing that was to be named ("encoder", "property", ...).
        name: The name that was given.
        known: All names of this kind.
    """

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        names = sorted(known)
        cure = suggestion(name, names, f"Known: {', '.join(names)}")
        super().__init__(f"There is no {kind} called {shortened(name)!r}", cure)


class FilesNotReadWarning(UserWarning):
    """Files of a folder were not read, as they are no structure files or no line of its table names them."""


class UnusableRowsWarning(UserWarning):
    """Rows of the data for a training are no crystals and were left out."""


def shortened(given: object, most: int = QUOTED) -> str:
    """Return what was given as a message quotes it: whole if it is short, otherwise its beginning on one line.

    Args:
        given: The name, path or text that was given.
        most: Number of characters of a text of one line that are quoted; of several lines 60 are.
    """
    text = str(given)
    several = "\n" in text or "\r" in text
    text, most = (" ".join(text.split()), QUOTED) if several else (text, most)
    return text if len(text) <= most else f"{text[:most].rstrip()}..."


def close_names(name: str, known: Iterable[str]) -> list[str]:
    """Return up to three names that are like one that is none of them, capital letters aside.

    Args:
        name: The name that was given.
        known: All names that there are.
    """
    if len(name) > QUOTED_PATH:
        return []
    names: dict[str, list[str]] = {}
    for each in known:
        names.setdefault(each.lower(), []).append(each)
    return [each for found in get_close_matches(name.lower(), names, n=3) for each in names[found]][:3]


def suggestion(name: str, known: Iterable[str], otherwise: str) -> str:
    """Return "Did you mean ...?" with the names that are like one that is none of them, or something else if no name is.

    Args:
        name: The name that was given.
        known: All names that there are.
        otherwise: The cure where no name is like it.
    """
    close = close_names(name, known)
    return f"Did you mean {' or '.join(close)}?" if close else otherwise


def counted(count: int, noun: str) -> str:
    """Return a number with its noun, "1 row" and "2 rows".

    Args:
        count: The number.
        noun: Singular of a noun whose plural ends in s.
    """
    return f"{count} {noun}{'' if count == 1 else 's'}"


_CLASS = re.compile(r"^(?:[a-z_]\w*\.){2,}[a-z_]+: |(?<!\S)(?:[a-z_]\w*\.)*[A-Z]\w*(?:Error|Exception): ")


def one_line(error: BaseException) -> str:
    """Return what an error says, on one line, without the classes and modules that libraries put in front of it."""
    said = " ".join(_CLASS.sub("", " ".join(str(error).split())).split())
    return f"{said} is missing" if isinstance(error, KeyError) else said or "it does not say why"
