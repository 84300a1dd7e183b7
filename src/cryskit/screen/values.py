"""Columns of numbers, texts and sets of elements, and how conditions compare them, all rows at once."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np

from cryskit.elements import formula
from cryskit.errors import shortened

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

NUMBER, TEXT, SET, NUMBERS = "the number", "the text", "the set", "the numbers"
"""What a column may hold, the first three, and what a condition may give, all four; the names stand in error messages."""
_MOST_ATOMS = 10_000  # in a formula that is given


class Truth(NamedTuple):
    """What is known of a condition for each row; where it is neither true nor false, a value is missing.

    Attributes:
        true: (rows,) bool, whether it holds.
        false: (rows,) bool, whether it does not.
    """

    true: np.ndarray
    false: np.ndarray

    def __and__(self, other: Truth) -> Truth:
        return Truth(self.true & other.true, self.false | other.false)

    def __or__(self, other: Truth) -> Truth:
        return Truth(self.true | other.true, self.false & other.false)

    def __invert__(self) -> Truth:
        return Truth(self.false, self.true)


class Value(NamedTuple):
    """A column, or one value for all rows.

    Attributes:
        kind: NUMBER, TEXT, SET or NUMBERS.
        array: (rows,) or (1,): float64, NaN where missing; or texts or sets as objects, None where missing.
        constant: Whether it is one value.
    """

    kind: str
    array: np.ndarray
    constant: bool = False

    @classmethod
    def of(cls, value: float | str | frozenset[str] | frozenset[float]) -> Self:
        """Return one value for all rows."""
        if isinstance(value, int | float):
            return cls(NUMBER, np.array([float(value)]), constant=True)
        array = np.empty(1, object)
        array[0] = value
        if isinstance(value, str):
            return cls(TEXT, array, constant=True)
        return cls(NUMBERS if value and not any(isinstance(each, str) for each in value) else SET, array, constant=True)


_NUMERIC: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
    "==": np.equal,
    "!=": np.not_equal,
}


def compare(left: Value, symbol: str, right: Value) -> Truth | None:
    """Return for which rows a comparison holds, None if such values cannot be compared so.

    Args:
        left: Value on the left.
        symbol: One of <, <=, >, >=, ==, !=, "in" and "not in".
        right: Value on the right.
    """
    kinds = left.kind, right.kind
    if symbol in _NUMERIC and kinds == (NUMBER, NUMBER):
        known = ~(np.isnan(left.array) | np.isnan(right.array))
        found = _NUMERIC[symbol](left.array, right.array)
        return Truth(found & known, ~found & known)
    if kinds == (NUMBER, NUMBERS) and symbol in {"in", "not in"}:
        known = ~np.isnan(left.array)
        found = np.isin(left.array, list(right.array[0])) == (symbol == "in")
        return Truth(found & known, ~found & known)
    if kinds == (TEXT, TEXT) and symbol in {"==", "!="}:
        return _each(left, right, lambda one, other: (one == other) == (symbol == "=="))
    if kinds == (TEXT, SET) and symbol in {"in", "not in"}:
        return _each(left, right, lambda one, other: (one in other) == (symbol == "in"))
    if kinds == (SET, SET) and symbol in _NUMERIC:
        operator = {"<": "__lt__", "<=": "__le__", ">": "__gt__", ">=": "__ge__", "==": "__eq__", "!=": "__ne__"}[
            symbol
        ]
        return _each(left, right, lambda one, other: bool(getattr(one, operator)(other)))
    return None


def contains(elements: Value, wanted: Sequence[str]) -> Truth:
    """Return which rows have all of some elements.

    Args:
        elements: Column of sets of elements.
        wanted: Symbols of elements.
    """
    return _each(elements, Value.of(frozenset(wanted)), lambda one, other: one >= other)


def arithmetic(left: Value, symbol: str, right: Value) -> Value:
    """Return the result of +, -, * or / of numbers; what is divided by zero is missing.

    Args:
        left: Value on the left.
        symbol: One of + - * /.
        right: Value on the right.
    """
    with np.errstate(all="ignore"):
        found = {
            "+": np.add,
            "-": np.subtract,
            "*": np.multiply,
            "/": np.divide,
        }[symbol](left.array, right.array)
    found[~np.isfinite(found)] = np.nan
    return Value(NUMBER, found, left.constant and right.constant)


@lru_cache(maxsize=1024)
def is_element(word: str) -> bool:
    """Return whether a text is the symbol of an element."""
    from ase.data import atomic_numbers  # noqa: PLC0415 - conditions on elements only

    return word in atomic_numbers and word != "X"


def reduced_formula(text: str) -> str:
    """Return a formula as tables have it, "O4Ti2" as "TiO2"; one of more than 10,000 atoms, which no row has, stays as it is.

    Args:
        text: The formula.

    Raises:
        ValueError: It is none, or has amounts that are no whole numbers.
    """
    from ase.data import atomic_numbers  # noqa: PLC0415 - as above
    from pymatgen.core import Composition  # noqa: PLC0415 - as above

    try:
        amounts = {atomic_numbers[symbol]: amount for symbol, amount in Composition(text).get_el_amt_dict().items()}
    except (ValueError, KeyError, OverflowError) as error:
        raise ValueError(f"{shortened(text)!r} is no formula") from error
    if not amounts:
        raise ValueError(f"{shortened(text)!r} is no formula")
    if not all(float(amount).is_integer() for amount in amounts.values()):
        raise ValueError(f"{shortened(text)!r} has amounts that are no whole numbers")
    if sum(amounts.values()) > _MOST_ATOMS:
        return text
    return formula([number for number, amount in amounts.items() for _ in range(round(amount))])


def _each(left: Value, right: Value, holds: Callable[[Any, Any], bool]) -> Truth:
    pairs = list(zip(*np.broadcast_arrays(left.array, right.array), strict=True))
    known = np.array([one is not None and other is not None for one, other in pairs], bool)
    found = np.array([bool(known[i]) and holds(*pair) for i, pair in enumerate(pairs)], bool)
    return Truth(found, known & ~found)
