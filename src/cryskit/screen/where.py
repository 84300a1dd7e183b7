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

from cryskit.errors import ExpressionError, suggestion
from cryskit.screen.values import NUMBER, SET, TEXT, Truth, Value, arithmetic, compare, contains, is_element, normalised

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

FUNCTIONS = ("contains",)
"""Functions that conditions may call."""

_IN = re.compile(r"(?<=[=!]=)(\s*)in\b")  # the domain "in" is a word of Python: `domain == in`
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
            tree = ast.parse(_IN.sub(rf"\1{_IN_DOMAIN}", text.strip()), mode="eval").body
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
        column = next((each for each in operands if isinstance(each, ast.Name) and each.id in self._kinds), None)
        is_formula = column is not None and column.id == "formula"
        values = [self._value(each, columns, depth + 1, free=column is not None) for each in operands]
        whole: Truth | None = None
        for (left, right), operator, place in zip(_pairs(values), node.ops, _pairs(operands), strict=True):
            symbol = _OPERATORS.get(type(operator))
            if symbol is None:
                raise self._error(place[1].col_offset, "Only <, <=, >, >=, ==, != and in compare", "Use one of these")
            given = [
                Value(each.kind, normalised(each.array)) if is_formula and each.constant else each
                for each in (left, right)
            ]
            found = compare(given[0], symbol, given[1])
            if found is None:
                what = f"{left.kind} {self._quoted(place[0])} {symbol} {right.kind} {self._quoted(place[1])}"
                raise self._error(place[0].col_offset, f"These cannot be compared: {what}", "Compare like with like")
            whole = found if whole is None else whole & found
        if whole is None:
            raise self._error(node.col_offset, "Nothing is compared", "Compare it with something")
        return whole

    def _value(self, node: ast.expr, columns: Mapping[str, Value], depth: int, *, free: bool) -> Value:
        """Return the value of an operand; `free`: whether a word that names no column stands for itself."""
        if depth > _DEEPEST:
            raise self._error(node.col_offset, "It is nested too deeply", "Make it simpler")
        if isinstance(node, ast.Name):
            return self._named(node, columns, free=free)
        if isinstance(node, ast.Constant) and isinstance(node.value, int | float | str):
            return Value.of(node.value)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            return self._arithmetic(node, "-", Value.of(0.0), self._value(node.operand, columns, depth + 1, free=False))
        if isinstance(node, ast.BinOp) and type(node.op) in _ARITHMETIC:
            left, right = (self._value(each, columns, depth + 1, free=False) for each in (node.left, node.right))
            return self._arithmetic(node, _ARITHMETIC[type(node.op)], left, right)
        if isinstance(node, ast.Set | ast.List | ast.Tuple):
            return Value.of(frozenset(map(self._word, node.elts)))
        what = f"{self._quoted(node)} is not understood"
        raise self._error(node.col_offset, what, "Use names of columns, numbers, texts, + - * / and comparisons")

    def _named(self, node: ast.Name, columns: Mapping[str, Value], *, free: bool) -> Value:
        if node.id in self._kinds:
            return columns[node.id]
        word = "in" if node.id == _IN_DOMAIN else node.id
        if free and (is_element(word) or word in {"in", "edge", "out", "ok", "warned", "failed"}):
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
        for word, each in zip(wanted, node.args, strict=True):
            if not is_element(word):
                raise self._error(each.col_offset, f"{word!r} is no element", "Give symbols of elements")
        return contains(columns["elements"], wanted)

    def _word(self, node: ast.expr) -> str:
        if isinstance(node, ast.Name):
            return node.id
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            return node.value
        raise self._error(node.col_offset, f"{self._quoted(node)} is no text", "Give texts in quotes")

    def _quoted(self, node: ast.expr) -> str:
        text = self.text.strip()
        return text[node.col_offset : node.end_col_offset][:40] or "it"

    def _error(self, place: int, problem: str, cure: str) -> ExpressionError:
        text = self.text.strip()
        shown = text if len(text) <= 80 else f"{text[:80]}..."
        return ExpressionError(f"In {shown!r}, character {place + 1}: {problem}", cure)


class _Pair(NamedTuple):
    left: Any
    right: Any


def _pairs(values: list[Any]) -> Iterator[_Pair]:
    return map(_Pair, values, values[1:])


def _read_by(node: ast.AST) -> list[str]:
    return ["elements"] if isinstance(node, ast.Call) else []


def _problem(error: Exception) -> str:
    return getattr(error, "msg", None) or str(error) or "it cannot be read"


__all__ = ["FUNCTIONS", "NUMBER", "SET", "TEXT", "Condition"]
