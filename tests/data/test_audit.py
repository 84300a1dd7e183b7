"""The audit finds what is wrong without being told, and leaves the rest alone."""

from __future__ import annotations

import numpy as np
import pytest

from cryskit.data.audit import audit
from cryskit.errors import LatticeError
from cryskit.types import Crystal, Failure


def crystal(name: str, edge: float = 4.0, numbers: tuple[int, ...] = (11, 17), **targets: float) -> Crystal:
    fractional = np.arange(3 * len(numbers)).reshape(-1, 3) / (3 * len(numbers))
    return Crystal(name, edge * np.eye(3), fractional, np.array(numbers), None, targets)


def energies(*values: float, seed: int = 0) -> list[Crystal]:
    """Hundreds of plausible formation energies, and some others."""
    plausible = np.random.default_rng(seed).normal(-1.5, 1.0, 500).clip(-4.5, 3.0)
    return [
        crystal(f"c-{i}", 4.0 + 0.1 * i, formation_energy_per_atom=float(value))
        for i, value in enumerate([*plausible, *values])
    ]


def test_the_two_unphysical_formation_energies_of_the_materials_project_are_found() -> None:
    report = audit(energies(-13.57, -9.72))
    outside = report.of("outside range")
    assert [(f.ids, f.property, f.value) for f in outside] == [
        (("c-500",), "formation_energy_per_atom", -13.57),
        (("c-501",), "formation_energy_per_atom", -9.72),
    ]
    assert outside[0].message == "-13.57 eV/atom is outside -4.8 to 5"
    assert audit(energies()).findings == ()


def test_a_label_within_the_range_but_far_from_all_others_is_an_outlier() -> None:
    crystals = [crystal(f"c-{i}", 4.0 + 0.1 * i, fermi_energy=2.0 + 0.01 * (i % 50)) for i in range(400)]
    report = audit([*crystals, crystal("far", 80.0, fermi_energy=9.0)])
    assert [f.ids for f in report.of("outlier")] == [("far",)]
    assert not report.of("outside range")
    assert not audit([*crystals, crystal("far", 80.0, fermi_energy=9.0)], far=1000).of("outlier")


def test_moduli_are_judged_on_the_logarithmic_scale() -> None:
    moduli = np.geomspace(5, 400, 400)
    crystals = [crystal(f"c-{i}", 4.0 + 0.1 * i, bulk_modulus=float(value)) for i, value in enumerate(moduli)]
    report = audit([*crystals, crystal("negative", 80.0, bulk_modulus=-14.03)])
    assert [(f.kind, f.ids) for f in report.findings] == [("outside range", ("negative",))]


def test_equal_labels_and_long_tails_are_no_outliers() -> None:
    same = [crystal(f"c-{i}", 4.0 + 0.1 * i, band_gap=1.0) for i in range(50)]
    tail = [crystal(f"c-{i}", 4.0 + 0.1 * i, total_magnetization=0.0 if i % 4 else 5.0) for i in range(400)]
    assert audit(same).findings == audit(tail).findings == ()


def test_crystals_that_occur_twice_are_found() -> None:
    report = audit(
        [
            crystal("a"),
            crystal("b"),  # the same content under another id
            crystal("c", 4.004),  # 0.3 % more volume
            crystal("d", 4.2),  # 16 % more
            crystal("e", 4.0, (11, 35)),  # another formula
            crystal("e", 5.0, (12, 8)),  # an id used twice
        ]
    )
    assert [f.ids for f in report.of("duplicate")] == [("a", "b")]
    assert [set(f.ids) for f in report.of("similar")] == [{"b", "c"}]
    assert [f.ids for f in report.of("repeated id")] == [("e",)]
    assert not audit([crystal("a"), crystal("c", 4.004)], close=0.001).findings


def test_similar_crystals_do_not_chain_through_one_another() -> None:
    report = audit([crystal(f"c-{i}", 4.0 * (1.0 + 0.001 * i)) for i in range(20)])
    assert max(len(f.ids) for f in report.of("similar")) == 2


def test_the_table_counts_labels_by_property() -> None:
    report = audit(
        [
            crystal("a", 4.0, band_gap=1.0, mine=3.0),
            crystal("b", 5.0, band_gap=-1.0),
            crystal("c", 6.0, band_gap=2.0),
            crystal("d", 7.0, (26,)),
        ]
    )
    gap, mine = report.table
    assert gap == ("band_gap", "eV", 3, 1, -1.0, 1.0, 2.0, 1, 0)
    assert mine == ("mine", "", 1, 3, 3.0, 3.0, 3.0, 0, 0)
    assert (report.crystals, report.atoms, report.formulas) == (4, 7, 2)
    assert report.elements == {"Na": 3, "Cl": 3, "Fe": 1}


def test_rows_that_are_no_crystals_are_reported_and_not_counted() -> None:
    report = audit([crystal("a"), Failure("b", LatticeError("The cell has no volume", "Give three vectors", "b.cif"))])
    assert report.crystals == 1
    assert [(f.ids, f.message) for f in report.of("failure")] == [
        (("b",), "b.cif: The cell has no volume. Give three vectors.")
    ]


@pytest.mark.parametrize("items", [[], [Failure("b", LatticeError("x", "y"))]])
def test_a_set_without_crystals_has_an_empty_report(items: list[Failure]) -> None:
    report = audit(items)
    assert (report.crystals, report.table, dict(report.elements)) == (0, (), {})
