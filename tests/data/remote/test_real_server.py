"""Fetching from optimade's own server, with its reference data and a hundred crystals of ours; everything stays on loopback."""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np
import pytest
from data.remote.servers import elastic, real_server

from cryskit.data.interchange import manifest_of
from cryskit.data.read import read
from cryskit.types import Crystal, Failure

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(
    any(find_spec(name) is None for name in ("optimade", "fastapi", "uvicorn", "mongomock")),
    reason="THE REAL OPTIMADE SERVER IS NOT INSTALLED, so fetching was not tried against it: pip install 'cryskit[test]'",
)
OURS = 100
REFERENCE = 17
UNUSABLE = 15  # of the reference data, whose atoms lie on one another


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with real_server(tmp_path_factory.mktemp("server"), elastic(OURS)) as address:
        yield address


def start(*arguments: object) -> subprocess.Popen[str]:
    """Start the command line in a process of its own."""
    code = "from cryskit.cli import main; main()"
    call = [sys.executable, "-c", code, "data", "fetch", *map(str, arguments)]
    return subprocess.Popen(call, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def fetch(*arguments: object) -> tuple[int, str, str]:
    with start(*arguments) as run:
        out, err = run.communicate(timeout=300)
    return run.returncode, out, err


@pytest.fixture(scope="module")
def whole(base: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return what an uninterrupted fetch of everything writes, in pages of 7 rows."""
    path = tmp_path_factory.mktemp("whole") / "all.parquet"
    code, out, err = fetch(
        f"optimade:{base}", "--out", path, "--page-limit", 7, "--field", "_exmpl_bulk_modulus", "--json"
    )
    assert code == 1, err
    assert json.loads(out)["rows"] == OURS + REFERENCE - UNUSABLE
    assert f"{UNUSABLE} of {OURS + REFERENCE} rows cannot be used" in err
    return path


def test_every_crystal_of_ours_arrives_as_it_was(whole: Path) -> None:
    found = {row.id: row for row in read(whole) if isinstance(row, Crystal)}
    assert len(found) == OURS + REFERENCE - UNUSABLE
    for crystal in elastic(OURS):
        fetched = found[crystal.id]
        assert fetched.numbers.tolist() == crystal.numbers.tolist()
        assert np.allclose(fetched.lattice, crystal.lattice, atol=1e-12)
        apart = fetched.fractional - crystal.fractional
        assert np.allclose(apart, 0.0, atol=1e-12)
        assert fetched.targets["_exmpl_bulk_modulus"] == crystal.targets["bulk_modulus"]


def test_the_card_says_where_the_rows_are_from(whole: Path, base: str) -> None:
    card = json.loads(whole.with_suffix(".card.json").read_text())
    assert card["source"] == f"optimade:{base}"
    assert card["query"] == ""
    assert card["address"].startswith(f"{base}/v1/structures?page_limit=7&response_fields=")
    assert card["pages"] == -(-(OURS + REFERENCE) // 7)
    assert (card["rows"], card["failed"]) == (OURS + REFERENCE - UNUSABLE, UNUSABLE)
    assert sum(card["reasons"].values()) == UNUSABLE
    assert card["licence"] == "not known here: ask whoever provides the data"
    assert card["server"]["api_version"].startswith("1.")
    assert card["server"]["implementation"]["name"] == "OPTIMADE Python Tools"
    assert card["server"]["data_returned"] == OURS + REFERENCE
    assert card["fetched"]["first"] <= card["fetched"]["last"]
    assert card["sha256"] == hashlib.sha256(whole.read_bytes()).hexdigest()
    assert card["manifest"] == manifest_of(whole)


def test_rows_that_fail_are_listed_with_their_reason(whole: Path) -> None:
    lines = [json.loads(line) for line in whole.with_suffix(".failures.jsonl").read_text().splitlines()]
    assert len(lines) == UNUSABLE
    assert {line["error"] for line in lines} == {"CoordinatesError", "LatticeError"}
    assert all(line["id"].startswith("mpf_") and "angstrom" in line["reason"] for line in lines)


def test_nothing_of_the_fetch_is_left_and_it_is_not_fetched_again(whole: Path, base: str) -> None:
    assert sorted(path.name for path in whole.parent.iterdir()) == [
        "all.card.json",
        "all.failures.jsonl",
        "all.parquet",
    ]
    before = whole.stat().st_mtime_ns
    code, out, err = fetch(
        f"optimade:{base}", "--out", whole, "--page-limit", 7, "--field", "_exmpl_bulk_modulus", "--json"
    )
    assert code == 1
    assert "is as it was; remove it to fetch it again" in err
    assert json.loads(out)["sha256"] == hashlib.sha256(whole.read_bytes()).hexdigest()
    assert whole.stat().st_mtime_ns == before


def test_a_filter_of_the_language_is_passed_on(base: str, tmp_path: Path) -> None:
    path = tmp_path / "oxides.parquet"
    code, _, err = fetch(f'optimade:{base}?elements HAS "Si" AND nelements=2', "--out", path)
    assert code == 0, err
    wanted = [c.id for c in elastic(OURS) if 14 in c.numbers and len(set(c.numbers.tolist())) == 2]
    assert wanted
    assert [row.id for row in read(path)] == wanted
    card = json.loads(path.with_suffix(".card.json").read_text())
    assert card["query"] == 'elements HAS "Si" AND nelements=2'
    assert card["failed"] == 0
    assert not path.with_suffix(".failures.jsonl").exists()


def test_a_filter_with_an_error_is_answered_in_the_words_of_the_server(base: str, tmp_path: Path) -> None:
    code, _, err = fetch(f"optimade:{base}?nelements=", "--out", tmp_path / "x.parquet")
    assert code == 2
    assert "refuses the request with status 400: Unable to parse filter nelements=" in err
    assert not list(tmp_path.iterdir())


def test_a_page_limit_above_that_of_the_server_is_an_error(base: str, tmp_path: Path) -> None:
    code, _, err = fetch(f"optimade:{base}", "--out", tmp_path / "x.parquet", "--page-limit", 501)
    assert code == 2
    assert "status 403" in err
    assert "page_limit" in err


def test_a_filter_that_nothing_fulfils_leaves_no_file(base: str, tmp_path: Path) -> None:
    code, _, err = fetch(f"optimade:{base}?nelements=99", "--out", tmp_path / "x.parquet")
    assert code == 2
    assert "has no usable crystal" in err
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_fetch_that_is_killed_again_and_again_ends_with_the_same_bytes(
    base: str, whole: Path, tmp_path: Path
) -> None:
    path = tmp_path / "all.parquet"
    arguments = (f"optimade:{base}", "--out", path, "--page-limit", 7, "--field", "_exmpl_bulk_modulus")
    folder = tmp_path / ".all.parquet.fetch"
    kept: list[int] = []
    for wanted in (1, 4, 9, 14):  # pages that are to be there when it is killed
        run = start(*arguments)
        while run.poll() is None and len(list(folder.glob("page-*"))) < wanted:
            time.sleep(0.002)
        run.send_signal(signal.SIGKILL)
        run.communicate()
        kept.append(len(list(folder.glob("page-*"))))
    assert kept == sorted(kept)
    assert kept[0] >= 1
    assert not path.exists() or folder.exists()
    code, _, err = fetch(*arguments)
    assert code == 1, err
    for ending in (".parquet", ".failures.jsonl"):
        assert path.with_suffix(ending).read_bytes() == whole.with_suffix(ending).read_bytes()
    assert not folder.exists()
    assert not list(tmp_path.glob("*.partial"))


def test_the_same_name_is_read_row_by_row(base: str) -> None:
    rows = read(f"optimade:{base}?nelements=2")
    first = next(rows)
    assert isinstance(first, Crystal | Failure)
    count = 1 + sum(1 for _ in rows)
    assert count > len([c for c in elastic(OURS) if len(set(c.numbers.tolist())) == 2])
