"""The errors that cryskit raises: each says what was given, what was expected and what to do next."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class CryskitError(Exception):
    """Anything that went wrong for a reason the user can act upon.

    Args:
        problem: What was given and what was expected, as a sentence without its full stop.
        cure: What to do next, as a sentence without its full stop.
    """

    def __init__(self, problem: str, cure: str) -> None:
        super().__init__(problem, cure)
        self.problem = problem
        self.cure = cure

    def __str__(self) -> str:
        return f"{self.problem}. {self.cure}."


class CrystalError(CryskitError):
    """One crystal cannot be used; the other rows go on.

    Args:
        problem: What is wrong with it.
        cure: What to do next.
        source: The file or row it came from.
    """

    def __init__(self, problem: str, cure: str, source: str = "") -> None:
        super().__init__(problem, cure)
        self.source = source

    def __str__(self) -> str:
        return f"{self.source}: {super().__str__()}" if self.source else super().__str__()


class UnreadableError(CrystalError):
    """The file is truncated, binary, empty or not in the format its name promises."""


class LatticeError(CrystalError):
    """The cell has no volume, or a length or angle that is no number."""


class CoordinatesError(CrystalError):
    """Atoms lack coordinates, or two of them lie on one another."""


class ElementError(CrystalError):
    """A species is no element that the model knows."""


class DisorderError(CrystalError):
    """A site is partly occupied, or shared by several species."""


class SizeError(CrystalError):
    """The cell has no atoms, or more than the limit."""


class DescriptionError(CrystalError):
    """The crystal cannot be described in words."""


class DataError(CryskitError):
    """A data source as a whole cannot be read, or lacks what was asked of it."""


class ModelError(CryskitError):
    """A model file is damaged, unsafe or does not fit what is asked of it."""


class PlanError(CryskitError):
    """The configuration of a run contradicts itself or its data."""


class ProcessEndedError(CryskitError):
    """A process crashed, or did not finish in time, while it worked on something."""


class UnknownNameError(CryskitError, KeyError):
    """A name is not in the registry.

    Args:
        kind: What the name should be ("encoder", "property", ...).
        name: What was given.
        known: The names there are.
    """

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        names = sorted(known)
        close = get_close_matches(name, names, n=3)
        cure = f"Did you mean {' or '.join(close)}" if close else f"Known: {', '.join(names)}"
        super().__init__(f"There is no {kind} called {name!r}", cure)


def one_line(error: BaseException) -> str:
    """Return what an error says, on one line."""
    return " ".join(str(error).split())
