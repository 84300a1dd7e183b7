"""Conditions on the columns of a screening, such as `1.0 < band_gap < 2.0 and contains("Li") and domain != out`.

Python's own parser makes a syntax tree of the text and nothing of it is ever executed: the nodes below are known, everything else is an
error that says where it stands. Values that are missing are neither more nor less than a number, nor the contrary: a row counts only if the
condition holds whatever they are (Kleene's logic).
"""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from cryskit.data.targets import is_number
from cryskit.errors import ExpressionError, shortened, suggestion
from cryskit.screen.values import (
    NUMBER,
    SET,
    TEXT,
    Truth,
    Value,
    arithmetic,
    compare,
    contains,
    is_element,
    reduced_formula,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

FUNCTIONS = ("contains",)
"""Functions that conditions may call."""

WORDS = {"domain": ("in", "edge", "out"), "status": ("ok", "warned", "failed")}
"""Columns that hold one of a few words, with these."""

_NOT_PYTHON = re.compile(
    r"""(?P<text>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')|(?P<comment>\#[^\n]*)|(?P<before>(?:^|[=({\[,]|\b(?:and|or)\b)\s*)in\b"""
)
"""Texts in quotes; comments; and the domain "in" where a value stands (`domain == in`, `{in, edge}`), which is a keyword of Python."""
_IN_DOMAIN = "iN"
_DEEPEST = 60  # nodes within one another
_LONGEST = 4000  # characters
_OPERATORS = {
    ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!=", ast.In: "in", ast.NotIn: "not in"
}  # fmt: skip
_ARITHMETIC = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}


class Condition:
    """A condition on rows.

    Args:
        text: Condition as it was written.
        kinds: Name of a column to what it holds, NUMBER, TEXT or SET.

    Attributes:
        names: Columns that it reads.

    Raises:
        ExpressionError: It is no condition, or names no column.
    """

    def __init__(self, text: str, kinds: Mapping[str, str]) -> None:
        self.text, self._kinds = text, kinds
        if len(text) > _LONGEST:
            raise ExpressionError(f"The condition has {len(text)} characters, {_LONGEST} are read", "Make it shorter")
        try:
            tree = ast.parse(_python_of(text.strip()), mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            place = getattr(error, "offset", None) or len(text.strip()) + 1
            raise self._error(
                place - 1, f"{_problem(error)}", 'Write for example: band_gap > 1 and contains("Li")'
            ) from error
        self._parts = tree.values if isinstance(tree, ast.BoolOp) and isinstance(tree.op, ast.And) else [tree]
        empty = {name: Value(kind, np.zeros(0, float if kind == NUMBER else object)) for name, kind in kinds.items()}
        self.names: set[str] = set()
        for part in self._parts:
            self._truth(part, empty, 0)  # so that every error is found before any row is read
        self._needs = [self._names_in(part) for part in self._parts]
        self.names = set().union(*self._needs)

    def holds(self, columns: Mapping[str, Value], *, without: str = "", only: str = "") -> np.ndarray:
        """Return for which rows it holds, (rows,) bool.

        Args:
            columns: Name of each column that is read to its values.
            without: Name of a column; the parts of a conjunction that read it are left out.
            only: Name of a column; the parts of a conjunction that do not read it are left out.
        """
        held: Truth | None = None
        for part, needs in zip(self._parts, self._needs, strict=True):
            if (without and without in needs) or (only and only not in needs):
                continue
            found = self._truth(part, columns, 0)
            held = found if held is None else held & found
        count = len(next(iter(columns.values())).array) if columns else 0
        return np.ones(count, bool) if held is None else held.true

    def together_with(self, name: str) -> set[str]:
        """Return the columns of the parts of a conjunction that read a column.

        Args:
            name: Name of the column.
        """
        return set().union(*(needs for needs in self._needs if name in needs))

    def _names_in(self, tree: ast.expr) -> set[str]:
        return {
            name
            for node in ast.walk(tree)
            for name in ([node.id] if isinstance(node, ast.Name) else _read_by(node))
            if name in self._kinds
        }

    def _truth(self, node: ast.expr, columns: Mapping[str, Value], depth: int) -> Truth:
        if depth > _DEEPEST:
            raise self._error(node.col_offset, "It is nested too deeply", "Make it simpler")
        if isinstance(node, ast.BoolOp):
            parts = [self._truth(value, columns, depth + 1) for value in node.values]
            whole = parts[0]
            for part in parts[1:]:
                whole = whole & part if isinstance(node.op, ast.And) else whole | part
            return whole
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            return ~self._truth(node.operand, columns, depth + 1)
        if isinstance(node, ast.Compare):
            return self._compared(node, columns, depth)
        if isinstance(node, ast.Call):
            return self._called(node, columns)
        raise self._error(
            node.col_offset, f"{self._quoted(node)} is neither true nor false", "Compare it with something"
        )

    def _compared(self, node: ast.Compare, columns: Mapping[str, Value], depth: int) -> Truth:
        operands = [node.left, *node.comparators]
        named = (each.id for each in operands if isinstance(each, ast.Name) and each.id in self._kinds)
        column = next(named, "")
        values = [self._value(each, columns, depth + 1, column) for each in operands]
        values = [self._meant(*each, column) for each in zip(operands, values, strict=True)]
        whole: Truth | None = None
        for (left, right), operator, place in zip(_pairs(values), node.ops, _pairs(operands), strict=True):
            symbol = _OPERATORS.get(type(operator))
            if symbol is None:
                raise self._error(place[1].col_offset, "Only <, <=, >, >=, ==, != and in compare", "Use one of these")
            found = compare(left, symbol, right)
            if found is None:
                what = f"{left.kind} {self._quoted(place[0])} {symbol} {right.kind} {self._quoted(place[1])}"
                cure = f"Write {{{self._quoted(place[1])}}}" if symbol in {"in", "not in"} else "Compare like with like"
                raise self._error(place[0].col_offset, f"These cannot be compared: {what}", cure)
            whole = found if whole is None else whole & found
        if whole is None:
            raise self._error(node.col_offset, "Nothing is compared", "Compare it with something")
        return whole

    def _meant(self, node: ast.expr, value: Value, column: str) -> Value:
        """Return a value as the column holds it that it is compared with; a text that is in no row of such a column is refused."""
        given = value.array[0] if value.constant and value.kind in (TEXT, SET) else ()
        texts = [given] if isinstance(given, str) else sorted(given)
        if column == "formula" and texts:
            try:
                meant = [reduced_formula(text) for text in texts]
            except ValueError as error:
                raise self._error(node.col_offset, str(error), "Write for example 'TiO2'") from error
            return Value.of(meant[0] if isinstance(given, str) else frozenset(meant))
        if column in WORDS:
            for text in texts:
                if text not in WORDS[column]:
                    what = f"{shortened(text)!r} is no word of {column}, which is one of {', '.join(WORDS[column])}"
                    raise self._error(node.col_offset, what, suggestion(text, WORDS[column], "Use one of these"))
        if column == "elements":
            self._require_elements(texts, [node] * len(texts))
        return value

    def _value(self, node: ast.expr, columns: Mapping[str, Value], depth: int, column: str = "") -> Value:
        """Return the value of an operand; where it is compared with a column, a word that names no column may stand for itself."""
        if depth > _DEEPEST:
            raise self._error(node.col_offset, "It is nested too deeply", "Make it simpler")
        if isinstance(node, ast.Name):
            return self._named(node, columns, column)
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            return Value.of(node.value)
        if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
            return self._number(node, node.value)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            return self._arithmetic(node, "-", Value.of(0.0), self._value(node.operand, columns, depth + 1))
        if isinstance(node, ast.BinOp) and type(node.op) in _ARITHMETIC:
            left, right = (self._value(each, columns, depth + 1) for each in (node.left, node.right))
            return self._arithmetic(node, _ARITHMETIC[type(node.op)], left, right)
        if isinstance(node, ast.Set | ast.List | ast.Tuple):
            return self._listed(node, depth)
        what = f"{self._quoted(node)} is not understood"
        raise self._error(node.col_offset, what, "Use names of columns, numbers, texts, + - * / and comparisons")

    def _number(self, node: ast.expr, number: float) -> Value:
        if isinstance(number, bool):
            raise self._error(node.col_offset, f"{number} is no number", 'Write 1 or 0, or a class in quotes: "true"')
        if not is_number(number):
            raise self._error(node.col_offset, f"{self._quoted(node)} is larger than any number", "Write fewer digits")
        return Value.of(number)

    def _listed(self, node: ast.Set | ast.List | ast.Tuple, depth: int) -> Value:
        """Return what stands in braces, brackets or parentheses: numbers, or texts."""
        if any(isinstance(each, ast.Name) or _is_text(each) for each in node.elts) or not node.elts:
            return Value.of(frozenset(map(self._word, node.elts)))
        numbers = [self._value(each, {}, depth + 1) for each in node.elts]
        if any(value.kind != NUMBER for value in numbers):
            raise self._error(
                node.col_offset, f"{self._quoted(node)} holds more than numbers or texts", "Leave the others out"
            )
        return Value.of(frozenset(float(value.array[0]) for value in numbers))

    def _named(self, node: ast.Name, columns: Mapping[str, Value], column: str) -> Value:
        if node.id in self._kinds:
            return columns[node.id]
        word = _word_of(node)
        if column in WORDS or (column and (is_element(word) or any(word in words for words in WORDS.values()))):
            return Value.of(word)
        cure = suggestion(node.id, self._kinds, f"There are: {', '.join(self._kinds)}; put texts into quotes")
        raise self._error(node.col_offset, f"There is no column {word!r}", cure)

    def _arithmetic(self, node: ast.expr, symbol: str, left: Value, right: Value) -> Value:
        if {left.kind, right.kind} != {NUMBER}:
            raise self._error(
                node.col_offset, f"{symbol} needs numbers, not {self._quoted(node)}", "Compare texts with =="
            )
        return arithmetic(left, symbol, right)

    def _called(self, node: ast.Call, columns: Mapping[str, Value]) -> Truth:
        name = node.func.id if isinstance(node.func, ast.Name) else self._quoted(node.func)
        if name not in FUNCTIONS or node.keywords or not node.args or "elements" not in self._kinds:
            cure = (
                suggestion(name, FUNCTIONS, 'There is contains("Li", "O")')
                if name not in FUNCTIONS
                else 'Write contains("Li")'
            )
            raise self._error(node.col_offset, f"There is no function {self._quoted(node)}", cure)
        wanted = [self._word(each) for each in node.args]
        self._require_elements(wanted, node.args)
        return contains(columns["elements"], wanted)

    def _require_elements(self, words: Sequence[str], nodes: Sequence[ast.expr]) -> None:
        for word, node in zip(words, nodes, strict=True):
            if not is_element(word):
                what = f"{shortened(word)!r} is no element"
                raise self._error(node.col_offset, what, "Give symbols of elements")

    def _word(self, node: ast.expr) -> str:
        if isinstance(node, ast.Name):
            return _word_of(node)
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            return node.value
        raise self._error(node.col_offset, f"{self._quoted(node)} is no text", "Give texts in quotes")

    def _quoted(self, node: ast.expr) -> str:
        text = self.text.strip()
        return text[node.col_offset : node.end_col_offset][:40] or "it"

    def _error(self, place: int, problem: str, cure: str) -> ExpressionError:
        text = self.text.strip()
        shown = " ".join(text.splitlines())
        shown = shown if len(shown) <= 80 else f"{shown[:80]}..."
        return ExpressionError(f"In {shown!r}, character {place + 1}: {problem}", cure)


class _Pair(NamedTuple):
    left: Any
    right: Any


def _pairs(values: list[Any]) -> Iterator[_Pair]:
    return map(_Pair, values, values[1:])


def _python_of(text: str) -> str:
    """Return a condition as an expression of Python on one line, every character at its place; comments are blank."""

    def replaced(found: re.Match[str]) -> str:
        if found["before"] is not None:
            return found["before"] + _IN_DOMAIN
        return found["text"] or " " * len(found["comment"])

    return re.sub(r"[\r\n]", " ", _NOT_PYTHON.sub(replaced, text))


def _word_of(node: ast.Name) -> str:
    return "in" if node.id == _IN_DOMAIN else node.id


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _read_by(node: ast.AST) -> list[str]:
    return ["elements"] if isinstance(node, ast.Call) else []


def _problem(error: Exception) -> str:
    return getattr(error, "msg", None) or str(error) or "it cannot be read"


__all__ = ["FUNCTIONS", "NUMBER", "SET", "TEXT", "WORDS", "Condition"]
