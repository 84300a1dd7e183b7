"""Ranks, fronts, diverse rows, hulls, and the short list of a screening, each against the plain way to find it."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cryskit.data.interchange import write
from cryskit.errors import ExpressionError, PlanError, UnknownNameError
from cryskit.predict.load import load
from cryskit.screen.folder import Folder
from cryskit.screen.hull import Hull
from cryskit.screen.known import known_of
from cryskit.screen.local import LocalEngine
from cryskit.screen.network import Networks
from cryskit.screen.rank import diverse, fronts, order
from cryskit.screen.report import write_report
from cryskit.screen.run import Asked, screen
from cryskit.screen.select import Wanted, select, write_chosen
from cryskit.types import Crystal

if TYPE_CHECKING:
    from pathlib import Path


def dominates(one: np.ndarray, other: np.ndarray) -> bool:
    return bool((one >= other).all() and (one > other).any())


@pytest.mark.parametrize("goals", [1, 2, 3])
def test_fronts_are_those_found_by_comparing_all_pairs(goals: int) -> None:
    scores = np.random.default_rng(goals).integers(0, 7, (120, goals)).astype(float)
    scores[5, 0] = np.nan
    left, number, expected = [i for i in range(120) if i != 5], 0, np.zeros(120, int)
    while left:
        number += 1
        first = [i for i in left if not any(dominates(scores[j], scores[i]) for j in left)]
        expected[first] = number
        left = [i for i in left if i not in first]
    found = fronts(scores)
    assert found[np.arange(120) != 5].tolist() == expected[np.arange(120) != 5].tolist()
    assert found[5] > number
    some = fronts(scores, 10)
    kept = expected <= some[np.flatnonzero(some < some.max())].max()
    assert (some[kept & (np.arange(120) != 5)] == expected[kept & (np.arange(120) != 5)]).all()
    best, of = order(scores)
    assert (np.diff(of[best]) >= 0).all()


def test_diverse_rows_are_far_apart_and_the_first_is_one_of_them() -> None:
    centres = np.array([[0, 0], [9, 0], [0, 9], [9, 9]])
    vectors = np.vstack([centre + np.random.default_rng(3).normal(0, 0.1, (20, 2)) for centre in centres])
    found = diverse(vectors, 4)
    assert found[0] == 0
    assert sorted(found // 20) == [0, 1, 2, 3]
    assert diverse(np.zeros((5, 2)), 3).tolist() == [0]
    assert len(diverse(np.zeros((0, 2)), 3)) == 0


def test_energies_above_the_hull_are_those_of_the_tie_line() -> None:
    hull = Hull()
    hull.add(["Fe-O", "Fe-O", "Li-O", None], ["FeO", "Fe2O3", "Li2O", None], [-1.4, -1.6, -2.0, -9.0])
    hull.add(["Fe-O"], ["FeO"], [-1.0])
    assert hull.above("Fe-O", "FeO", -1.0) == pytest.approx(0.4)
    assert hull.above("Fe-O", "Fe2O3", -1.6) == pytest.approx(0.0, abs=1e-9)
    share = (4 / 7 - 0.5) / (0.6 - 0.5)  # Fe3O4 between FeO and Fe2O3
    line = (1 - share) * -1.4 + share * -1.6
    assert hull.above("Fe-O", "Fe3O4", -1.5) == pytest.approx(-1.5 - line)
    assert hull.above("Fe-Li-O", "LiFeO2", 0.1) > 1
    assert hull.above("Cu", "Cu", 0.05) == pytest.approx(0.05), "an element is stable at 0"
    assert np.isnan(hull.above(None, None, 1.0))
    assert np.isnan(hull.above("Fe-O", "FeO", float("nan")))


@pytest.fixture(scope="module")
def folder(model: Path, crystals: list[Crystal], tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """A screening of 120 crystals, ten of them twice, one of them as a supercell, one displaced a little."""
    place = tmp_path_factory.mktemp("screened")
    chance, chosen = random.Random(1), list(crystals[:120])
    doubles = [replace(crystal, id=f"again {crystal.id}") for crystal in chosen[:10]]
    cell = chosen[11].to_pymatgen().make_supercell([2, 1, 1], in_place=False)
    doubles.append(Crystal.from_pymatgen(cell, "supercell"))
    moved = chosen[12].fractional + 1e-3 * np.array(
        [[chance.random() for _ in range(3)] for _ in range(len(chosen[12]))]
    )
    doubles.append(replace(chosen[12], id="moved", fractional=moved))
    path = place / "set.parquet"
    write(path, [*chosen, *doubles])
    asked, out = Asked((str(path),), (str(model),), part_rows=64, vectors=True), Folder(place / "out")
    screen(asked, Networks([load(model)], vectors=True), out, LocalEngine(1))
    return out


def all_rows(folder: Folder) -> list[dict[str, object]]:
    return pa.concat_tables([pq.read_table(part.path) for part in folder.whole()]).to_pylist()


def test_the_short_list_holds_the_best_of_the_rows_once(folder: Folder) -> None:
    chosen = select(folder, Wanted("bulk_modulus > 0 and nsites < 6", ("max band_gap",), 25))
    rows = all_rows(folder)
    assert len(rows) == 132
    originals = [row for row in rows[:120] if row["bulk_modulus"] > 0 and row["nsites"] < 6]  # type: ignore[operator]
    expected = sorted(originals, key=lambda row: -row["band_gap"])  # type: ignore[operator]
    found = chosen.table.to_pylist()
    assert [row["id"] for row in found][:20] == [row["id"] for row in expected][:20]
    assert [row["rank"] for row in found] == list(range(1, 26))
    assert [crystal.id for crystal in chosen.crystals] == [row["id"] for row in found]
    assert list(chosen.funnel) == ["rows", "read", "ok", "in domain", "where", "unique", "top"]
    assert chosen.funnel["where"] >= chosen.funnel["unique"] >= chosen.funnel["top"] == 25


def test_copies_supercells_and_shaken_crystals_are_listed_once(folder: Folder) -> None:
    chosen = select(folder, Wanted(rank=("max nsites",), top=None))
    ids = chosen.table["id"].to_pylist()
    assert not [name for name in ids if name.startswith("again")]
    both = {folder_id for folder_id in ids if folder_id in {"supercell", all_rows(folder)[11]["id"]}}
    assert len(both) == 1
    assert len({name for name in ids if name in {"moved", all_rows(folder)[12]["id"]}}) == 1


def test_known_crystals_are_left_out_or_marked(folder: Folder, crystals: list[Crystal], tmp_path: Path) -> None:
    path = tmp_path / "known.parquet"
    write(
        path,
        [replace(crystals[i], id=f"known-{i}", targets={"formation_energy_per_atom": -1.0}) for i in range(20, 60)],
    )
    known = known_of(folder, [str(path)], "formation_energy_per_atom", LocalEngine(1))
    assert len(known.energies) == 40
    left = select(folder, Wanted(top=None), known)
    names = {crystal.id for crystal in crystals[20:60]}
    assert not names & set(left.table["id"].to_pylist())
    assert left.funnel["unique"] - left.funnel["unknown"] == 40
    marked = select(folder, Wanted(top=None, keep_known=True), known).table.to_pylist()
    assert {row["id"]: row["known"] for row in marked if row["known"]} == {
        crystals[i].id: f"known-{i}" for i in range(20, 60)
    }


def test_several_goals_give_fronts_and_the_diverse_of_them(folder: Folder) -> None:
    chosen = select(folder, Wanted(rank=("max band_gap", "min bulk_modulus"), top=20))
    rows = chosen.table.to_pylist()
    assert [row["front"] for row in rows] == sorted(row["front"] for row in rows)
    first = [row for row in rows if row["front"] == 1]
    for row in first:
        assert not any(o["band_gap"] > row["band_gap"] and o["bulk_modulus"] < row["bulk_modulus"] for o in rows)
    few = select(folder, Wanted(rank=("max band_gap", "min bulk_modulus"), top=20, diverse=5)).table.to_pylist()
    assert few[0]["id"] == rows[0]["id"]
    assert len(few) == 5
    assert {row["id"] for row in few} < {row["id"] for row in rows}


def test_a_given_value_can_be_ranked_by(folder: Folder) -> None:
    chosen = select(folder, Wanted(rank=("bulk_modulus near 90",), top=None)).table["bulk_modulus"].to_numpy()
    assert (np.diff(np.abs(chosen - 90)) >= 0).all()


def test_what_a_screening_does_not_have_is_refused(folder: Folder) -> None:
    with pytest.raises(PlanError, match="formation energies"):
        select(folder, Wanted(hull="formation_energy_per_atom"))
    with pytest.raises(ExpressionError, match="energy_above_hull"):
        select(folder, Wanted("energy_above_hull < 0.1"))
    with pytest.raises(PlanError, match="is no goal"):
        select(folder, Wanted(rank=("more band_gap please",)))
    with pytest.raises(UnknownNameError, match="Did you mean band_gap"):
        select(folder, Wanted(rank=("max bandgop",)))


def test_the_report_needs_nothing_else(folder: Folder) -> None:
    wanted = Wanted("nsites < 5", ("max band_gap", "max bulk_modulus"), 12)
    chosen = select(folder, wanted)
    chosen.table = chosen.table.set_column(
        chosen.table.column_names.index("id"),
        "id",
        pa.array(["<script>alert(1)</script>", *chosen.table["id"].to_pylist()[1:]]),
    )
    path = folder.path / "report.html"
    write_report(folder, chosen, wanted, path)
    text = path.read_text(encoding="utf-8")
    assert "<script>alert" not in text
    assert "default-src 'none'" in text
    for said in ("Pareto front", "nsites &lt; 5", "max band_gap", "cryskit explain", "Distributions", "132"):
        assert said in text
    drawings = json.loads(text.split('id="drawings">')[1].split("</script>")[0])
    assert len(drawings) == 12
    write_chosen(folder, chosen)
    assert pq.read_table(folder.path / "top.parquet").num_rows == 12
    assert pq.read_table(folder.path / "top-crystals.parquet").num_rows == 12
    assert (folder.path / "top.csv").read_text().count("\n") == 13
