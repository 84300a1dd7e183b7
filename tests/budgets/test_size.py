"""Files, functions and interfaces stay small enough to be read in one sitting."""

from __future__ import annotations

import ast

import pytest
from budgets.syntax import EVERYTHING, PACKAGE, Module


def length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Return the number of lines of a function without those of the example in its docstring, which ends the docstring."""
    _, _, example = (ast.get_docstring(function) or "").partition("\n\nExample:\n")
    lines = len(example.splitlines()) + 2 if example else 0  # the blank line and the heading, too
    return (function.end_lineno or function.lineno) - function.lineno + 1 - lines


@pytest.mark.parametrize("module", EVERYTHING, ids=str)
def test_file_has_at_most_400_lines_and_a_base_60(module: Module) -> None:
    assert len(module.text.splitlines()) <= (60 if module.path.name == "base.py" else 400)


@pytest.mark.parametrize("module", PACKAGE, ids=str)
def test_function_has_at_most_60_lines(module: Module) -> None:
    long = {f.name: n for f in module.functions if (n := length(f)) > 60}
    assert not long
