"""Tables that are read by PyYAML's parser in C are those that monty reads."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

serialization = pytest.importorskip("monty.serialization")
core = pytest.importorskip("pymatgen.core")

load = pytest.importorskip("cryskit.text.quick_yaml", exc_type=ImportError).load

CORE = Path(core.__file__).parent
READ = {"bvparam_1991", "icsd_bv", "ElementColorSchemes"}
"""What pymatgen reads by monty while it is imported."""


def never(path: Path) -> Any:
    raise AssertionError(f"{path} was left to monty")


@pytest.mark.parametrize("path", sorted(CORE.glob("*.yaml")), ids=lambda path: path.stem)
def test_tables_of_pymatgen_are_the_same(path: Path) -> None:
    found = load(never if path.stem in READ else serialization.loadfn, path)
    expected = serialization.loadfn(path)
    assert found == expected
    assert repr(found) == repr(expected), "the same order and the same types"


@pytest.mark.parametrize(
    "text",
    [
        "No: 1\nY: [yes, on, true]\nnothing:\n",
        "a: 1e-05\nb: -1.5\nc: .5\nd: +3\ne: 1.\nf: 12e3\ng: -0\n",
        "date: 2026-11-28\ntime: 12:30:15\nversion: 1.2.3\n",
        "octal: 010\nfloat: -00.5\nhex: 0x1F\nunderscored: 1_000\n",
        "anchor: &a [1, 2]\nalias: *a\n",
        "quoted: 'No'\ncomment: 1 # true\nempty: ''\n",
        "? [1, 2]\n: pair\n",
    ],
)
def test_words_mean_what_monty_reads(text: str, tmp_path: Path) -> None:
    path = tmp_path / "table.yaml"
    path.write_text(text, encoding="utf-8")
    found, expected = load(serialization.loadfn, path), serialization.loadfn(path)
    assert found == expected
    assert [type(value).__mro__[-2] for value in found.values()] == [
        type(value).__mro__[-2] for value in expected.values()
    ]


def test_others_are_left_to_monty(tmp_path: Path) -> None:
    path = tmp_path / "numbers.json"
    path.write_text('{"a": NaN}', encoding="utf-8")
    assert math.isnan(load(serialization.loadfn, path)["a"])
    path = tmp_path / "lattice.yaml"
    serialization.dumpfn(core.Lattice.cubic(3), path)
    assert load(serialization.loadfn, path) == core.Lattice.cubic(3)
    assert "@module" in load(serialization.loadfn, path, cls=None)
