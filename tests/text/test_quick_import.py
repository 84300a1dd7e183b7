"""What is left out while Robocrystallographer is imported comes back afterwards."""

from __future__ import annotations

import subprocess
import sys

import pytest

from cryskit.text.quick_import import without_needless_work

provenance = pytest.importorskip("pymatgen.util.provenance")
pytest.importorskip("robocrys")


def test_checks_are_left_out_within_the_context_only() -> None:
    before = provenance.is_valid_bibtex
    with without_needless_work():
        assert provenance.is_valid_bibtex is not before
        assert provenance.is_valid_bibtex("@article{a}")
        assert not provenance.is_valid_bibtex("no reference")
    assert provenance.is_valid_bibtex is before


def test_importing_what_describes_parses_no_references() -> None:
    code = "import cryskit.text.robocrys, sys; print('bibtexparser.bparser' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split()[-1] == "False", "their parser made up two thirds of the start"
