"""Every public name has a short example in its docstring, and the example runs as it is written."""

from __future__ import annotations

import doctest
import tempfile
from pathlib import Path

import pytest

import cryskit

ROOT = Path(__file__).parents[1]
NAMES = [name for name in cryskit.__all__ if name != "__version__"]


def examples(name: str) -> list[doctest.DocTest]:
    """Return the examples of a public name and of its methods."""
    found = doctest.DocTestFinder(exclude_empty=True).find(getattr(cryskit, name), name, module=False)
    return [test for test in found if test.examples]


@pytest.mark.parametrize("name", NAMES)
def test_the_example_of_a_public_name_runs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.chdir(ROOT)  # examples read crystals from `examples/`
    tests = examples(name)
    assert name in {test.name for test in tests}, f"give {name} an `Example:` at the end of its docstring"
    report: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    for test in tests:
        runner.run(test, out=report.append)
    assert not runner.failures, "".join(report)
