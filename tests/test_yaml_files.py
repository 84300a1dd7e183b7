"""YAML files: what could hurt or mislead is refused with its line and what to do, whatever the file is for."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from cryskit import properties
from cryskit.benchmark.plan import BenchmarkPlan
from cryskit.data.sources import bundled
from cryskit.errors import CryskitError, DataError, PlanError
from cryskit.training.plan import Plan
from cryskit.yaml_files import DEPTH, SIZE, VALUES, parse_mapping, read_mapping

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[1]
PLANS = sorted([*ROOT.glob("benchmarks/plans/*/*.yaml"), *ROOT.glob("examples/*.yaml")])
LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "\n".join(
    f"{here}: &{here} [{', '.join([f'*{before}'] * 9)}]" for before, here in zip("abcdefgh", "bcdefghi", strict=True)
)
BAD = {
    "laughs": (LAUGHS, f"more than {VALUES:,} values"),
    "itself": ("a: &a [*a]\n", "contains itself"),
    "deep": ("a: " + "[" * (DEPTH + 1), f"line 1: more than {DEPTH} levels"),
    "very deep": ("a: " + "[" * 100_000, "more than"),
    "long": ("a: b\n# " + "x" * SIZE, "more than 1,000,000 characters"),
    "twice": ("a: 1\nb: 2\na: 3\n", "line 3: the key 'a' stands twice"),
    "twice below": ("a:\n  b: 1\n  b: 1\n", "line 3: the key 'b' stands twice"),
    "key": ("a: 1\n? [1, 2]\n: 3\n", "line 2: a key that is no single word"),
    "python": ("a: !!python/object/apply:os.system [echo]\n", "line 1: could not determine a constructor"),
    "binary": ("a: !!binary aGk=\n", "line 1: the tag .* is not read"),
    "set": ("a: !!set {x, y}\n", "is not read"),
    "cut": ("a: 1\nb: [1, 2\n", "line 3: while parsing a flow sequence"),
    "tab": ("a: 1\nb:\n\t- c\n", "line 3: while scanning for the next token"),
    "control": ("a: 1\nb: \x07\n", "line 2: the character"),
    "alias": ("a: *b\n", "line 1: found undefined alias"),
    "two": ("a: 1\n---\nb: 2\n", "line 2: expected a single document"),
    "number": ("a: !!int x\n", "cannot be read as YAML"),
    "no number": ("a: !!float ''\n", "cannot be read as YAML"),
    "many digits": (f"a: {'9' * 5000}\n", "cannot be read as YAML"),
    "list": ("- a\n", "holds no mapping"),
    "empty": ("", "holds no mapping"),
    "word": ("a", "holds no mapping"),
}
READERS: dict[str, tuple[Callable[[Path], Any], type[CryskitError]]] = {
    "plan": (Plan.from_yaml, PlanError),
    "benchmark": (BenchmarkPlan.from_yaml, PlanError),
    "properties": (lambda path: properties.parse(path.read_text(encoding="utf-8")), DataError),
    "card": (bundled._card, DataError),
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("what", BAD)
def test_bad_yaml_is_refused_with_its_place(what: str, reader: str, tmp_path: Path) -> None:
    text, message = BAD[what]
    read, error = READERS[reader]
    path = tmp_path / "bad.yaml"
    path.write_text(text, encoding="utf-8")
    start = time.monotonic()
    with pytest.raises(error, match=message) as raised:
        read(path)
    assert time.monotonic() - start < 10
    assert raised.value.cure
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("path", PLANS, ids=lambda path: path.stem)
def test_plans_are_read_as_yaml_reads_them(path: Path) -> None:
    assert read_mapping(path, PlanError) == yaml.safe_load(path.read_text(encoding="utf-8"))


def test_aliases_and_merged_keys_are_read() -> None:
    text = "base: &base {epochs: 3, rate: 0.1}\nlong: {<<: *base, epochs: 9}\nagain: *base\nday: 2026-11-27\n"
    base = {"epochs": 3, "rate": 0.1}
    expected = {"base": base, "long": base | {"epochs": 9}, "again": base, "day": "2026-11-27"}
    assert parse_mapping(text, "x", PlanError) == expected


def test_what_is_no_file_of_text_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "latin.yaml").write_bytes(b"a: \xe9\n")
    for name in ("pipe.yaml", "latin.yaml", "absent.yaml", "."):
        with pytest.raises(PlanError, match="cannot be read as YAML"):
            Plan.from_yaml(tmp_path / name)


@pytest.mark.parametrize("path", PLANS[:4], ids=lambda path: path.stem)
def test_a_mutated_plan_is_read_or_refused(path: Path, tmp_path: Path) -> None:
    random, text = Random(path.stem), path.read_text(encoding="utf-8")
    for _ in range(150):
        at, pieces = (
            random.randrange(len(text)),
            ("", "\t", "\0", "&a ", "*a", "{", "[", "]", "!!set ", ": ", "\n- ", "é"),
        )
        mutated = tmp_path / "m.yaml"
        mutated.write_text(text[:at] + random.choice(pieces) + text[at + random.randrange(4) :], encoding="utf-8")
        for read in (Plan.from_yaml, BenchmarkPlan.from_yaml):
            with suppress(PlanError):
                read(mutated)
