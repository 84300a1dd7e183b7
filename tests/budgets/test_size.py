"""Files, functions and interfaces stay small enough to be read in one sitting."""

from __future__ import annotations

import pytest
from budgets.syntax import EVERYTHING, PACKAGE, Module


@pytest.mark.parametrize("module", EVERYTHING, ids=str)
def test_file_has_at_most_400_lines_and_a_base_60(module: Module) -> None:
    assert len(module.text.splitlines()) <= (60 if module.path.name == "base.py" else 400)


@pytest.mark.parametrize("module", PACKAGE, ids=str)
def test_function_has_at_most_60_lines(module: Module) -> None:
    long = {f.name: n for f in module.functions if (n := (f.end_lineno or f.lineno) - f.lineno + 1) > 60}
    assert not long
