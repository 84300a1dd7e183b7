"""Conditions mean what they say, are read safely, and errors say where they are."""

from __future__ import annotations

import numpy as np
import pytest

from cryskit.errors import ExpressionError
from cryskit.screen.probability import probability
from cryskit.screen.values import NUMBER, SET, TEXT, Value
from cryskit.screen.where import Condition

KINDS = {
    **dict.fromkeys(
        ("band_gap", "band_gap_lo", "band_gap_std", "bulk_modulus", "bulk_modulus_std", "nsites", "nelements"), NUMBER
    ),
    **dict.fromkeys(("domain", "status", "formula", "id"), TEXT),
    "elements": SET,
    "energy_above_hull": NUMBER,
}
NAN = float("nan")


def objects(*values: object) -> np.ndarray:
    array = np.empty(len(values), object)
    array[:] = values
    return array


ROWS = {
    "band_gap": Value(NUMBER, np.array([0.0, 1.5, 3.0, NAN])),
    "band_gap_lo": Value(NUMBER, np.array([-0.5, 1.1, 2.0, NAN])),
    "bulk_modulus": Value(NUMBER, np.array([50.0, 150.0, 300.0, NAN])),
    "nsites": Value(NUMBER, np.array([1.0, 3.0, 12.0, 2.0])),
    "nelements": Value(NUMBER, np.array([1.0, 2.0, 3.0, 1.0])),
    "domain": Value(TEXT, objects("in", "edge", "out", None)),
    "formula": Value(TEXT, objects("Fe", "TiO2", "LiFeO2", "Si")),
    "elements": Value(
        SET, objects(frozenset({"Fe"}), frozenset({"Ti", "O"}), frozenset({"Li", "Fe", "O"}), frozenset({"Si"}))
    ),
    "energy_above_hull": Value(NUMBER, np.array([0.0, 0.1, 0.2, NAN])),
    "id": Value(TEXT, objects("a", "b", "c", "d")),
}


def rows(text: str) -> list[int]:
    return np.flatnonzero(Condition(text, KINDS).holds(ROWS)).tolist()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1.0 < band_gap < 2.0", [1]),
        ("1.0 < band_gap < 2.0 and bulk_modulus > 100 and domain != out", [1]),
        ("band_gap >= 0", [0, 1, 2]),
        ("not band_gap > 1", [0]),  # what is missing is neither
        ("not (band_gap > 1 or nsites > 100)", [0]),
        ("band_gap > 1 or nsites < 3", [0, 1, 2, 3]),
        ("band_gap - band_gap_lo > 0.45", [0, 2]),
        ("bulk_modulus / band_gap <= 100 and -bulk_modulus < -1", [1, 2]),
        ("2 * (nsites + 1) == 8", [1]),
        ("domain == in", [0]),
        ('domain == "in" or domain == edge', [0, 1]),
        ('domain in {"in", "edge"}', [0, 1]),
        ('domain not in ["out"]', [0, 1]),
        ('contains("Fe")', [0, 2]),
        ("contains(Fe, O)", [2]),
        ('not contains("O")', [0, 3]),
        ('"Li" in elements', [2]),
        ('elements == {"O", "Ti"}', [1]),
        ('elements <= {"O", "Ti", "Fe"}', [0, 1]),
        ('elements >= {"O"} and nelements == 3', [2]),
        ('formula == "O4Ti2"', [1]),
        ('formula in ["FeLiO2", "Si"]', [2, 3]),
        ("formula != Si", [0, 1, 2]),
        ("nsites in (3, 12)", [1, 2]),
        ("nsites not in {1, 2}", [1, 2]),
        ("band_gap not in [1.5]", [0, 2]),  # what is missing is neither
        ("bulk_modulus - 50 in (0, 2 * 50)", [0, 1]),
        ("domain in {in}", [0]),
        ("domain in {edge, in}", [0, 1]),
        ("domain not in (out, in)", [1]),
        ("in == domain or in != domain", [0, 1, 2]),
        ("nsites < 4\n  and band_gap > 1", [1]),
        ('nsites < 4  # small, == in\r\nand contains("O")', [1]),
        ('id == "a#1 == in" or nsites == 3', [1]),
    ],
)
def test_conditions_hold_for_the_rows_they_describe(text: str, expected: list[int]) -> None:
    assert rows(text) == expected


@pytest.mark.parametrize(
    ("text", "place", "problem"),
    [
        ("band_gp > 1", 1, "There is no column 'band_gp'. Did you mean band_gap or"),
        ("nsites > 2 and bandgap > 1", 16, "There is no column 'bandgap'. Did you mean band_gap"),
        ("band_gap > high", 12, "There is no column 'high'"),
        ("band_gap", 1, "neither true nor false"),
        ("band_gap >", 11, "invalid syntax"),
        ("band_gap > 1 and (nsites < 3", 18, "was never closed"),
        ("domain > 1", 1, "cannot be compared"),
        ("band_gap == out", 1, "cannot be compared"),
        ("elements == 3", 1, "cannot be compared"),
        ("band_gap is 3", 13, "Only <, <=, >, >=, ==, != and in compare"),
        ("contains(Xx)", 10, "'Xx' is no element"),
        ("contain(Li)", 1, "Did you mean contains?"),
        ("domain + 1 > 2", 1, "needs numbers"),
        ("__import__('os').system('true') == 0", 1, "is not understood"),
        ("(lambda: 1)() > 0", 1, "is not understood"),
        ("band_gap.real > 0", 1, "is not understood"),
        ("[x for x in elements] == 1", 1, "is not understood"),
        ("band_gap ** 2 > 0", 1, "is not understood"),
        ("band_gap > 1j", 12, "is not understood"),
        ("(band_gap := 3) > 0", 2, "is not understood"),
        ("f'{band_gap}' == 'a'", 1, "is not understood"),
        ("nsites if band_gap else 1", 1, "neither true nor false"),
        ("formula == 'Si0.5O'", 12, "'Si0.5O' has amounts that are no whole numbers"),
        ("formula in {'MgO', 'Mg1.4O'}", 12, "'Mg1.4O' has amounts that are no whole numbers"),
        ("formula == 'rutile'", 12, "'rutile' is no formula"),
        ("formula == ''", 12, "'' is no formula"),
        ("domain == 'inn'", 11, "'inn' is no word of domain, which is one of in, edge, out. Did you mean in?"),
        ("domain == outt", 11, "Did you mean out?"),
        ("domain in {in, edgy}", 11, "Did you mean edge?"),
        ("domain != ok", 11, "Use one of these"),
        ("status == 'good'", 11, "one of ok, warned, failed"),
        ("'Xx' in elements", 1, "'Xx' is no element"),
        ("elements <= {Li, Lo}", 13, "'Lo' is no element"),
        ("band_gap > True", 12, "True is no number"),
        ("nsites in {1, False}", 15, "False is no number"),
        ("nsites < " + "9" * 400, 10, "is larger than any number"),
        ("nsites < 1e999", 10, "is larger than any number"),
        ("nsites in (3)", 1, "Write {3}"),
        ("nsites in {3, 'Li'}", 12, "is no text"),
        ("nsites in {3, (1, 2)}", 11, "more than numbers or texts"),
        ("nsites < 4\nand bandgap > 1", 16, "In 'nsites < 4 and bandgap > 1'"),
    ],
)
def test_what_cannot_be_read_is_an_error_with_its_place(text: str, place: int, problem: str) -> None:
    with pytest.raises(ExpressionError) as found:
        Condition(text, KINDS)
    assert f"character {place}: " in str(found.value)
    assert problem in str(found.value)


@pytest.mark.parametrize(
    "text", ["(" * 5000 + "1" + ")" * 5000, "not " * 900 + "nsites > 1", "1+" * 1900 + "1 > nsites", "a\0b > 1", ""]
)
def test_hostile_texts_are_errors_of_ours(text: str) -> None:
    with pytest.raises(ExpressionError):
        Condition(text, KINDS)


def test_an_endless_formula_ends() -> None:
    assert rows('formula == "Fe99999999999"') == []


def test_parts_that_need_the_hull_wait_for_it() -> None:
    condition = Condition("band_gap > 1 and energy_above_hull < 0.15", KINDS)
    early = {name: value for name, value in ROWS.items() if name != "energy_above_hull"}
    assert np.flatnonzero(condition.holds(early, without="energy_above_hull")).tolist() == [1, 2]
    late = {"energy_above_hull": ROWS["energy_above_hull"]}
    assert condition.together_with("energy_above_hull") == {"energy_above_hull"}
    assert np.flatnonzero(condition.holds(late, only="energy_above_hull")).tolist() == [0, 1]


def test_probabilities_are_those_of_normal_deviations() -> None:
    from statistics import NormalDist

    columns = {
        "band_gap": Value(NUMBER, np.array([1.0, 1.5, 5.0, 1.0])),
        "band_gap_std": Value(NUMBER, np.array([0.5, 0.25, 0.1, NAN])),
        "bulk_modulus": Value(NUMBER, np.array([100.0, 120.0, 80.0, 100.0])),
        "bulk_modulus_std": Value(NUMBER, np.array([10.0, 20.0, 10.0, 10.0])),
        "domain": Value(TEXT, objects("in", "in", "in", "in")),
    }

    def of(text: str) -> np.ndarray:
        return probability(Condition(text, KINDS), columns, ["band_gap", "bulk_modulus"], 4)

    gaps = [NormalDist(1.0, 0.5), NormalDist(1.5, 0.25), NormalDist(5.0, 0.1)]
    expected = [gap.cdf(2.0) - gap.cdf(1.0) for gap in gaps]
    np.testing.assert_allclose(of("1 < band_gap < 2")[:3], expected, atol=0.002)
    np.testing.assert_allclose(of("band_gap > 1 and band_gap < 2")[:3], expected, atol=0.002)
    moduli = [1 - NormalDist(m, s).cdf(100) for m, s in ((100, 10), (120, 20), (80, 10))]
    both = [one * other for one, other in zip(expected, moduli, strict=True)]
    np.testing.assert_allclose(of("1 < band_gap < 2 and bulk_modulus > 100")[:3], both, atol=0.03)
    assert np.isnan(of("band_gap > 1")[3])
    assert of("domain == in and band_gap > -9")[0] == 1
    assert of("domain == out and band_gap > -9")[0] == 0
