"""The registry of properties: complete, unambiguous, with units that agree."""

from __future__ import annotations

import math

import pytest

from cryskit.errors import DataError, UnknownNameError
from cryskit.properties import canonical, get, load, origins, parse

JARVIS = [
    "Tc_supercon",
    "avg_elec_mass",
    "avg_hole_mass",
    "bulk_modulus_kv",
    "dfpt_piezo_max_dielectric",
    "dfpt_piezo_max_dij",
    "ehull",
    "encut",
    "epsx",
    "epsy",
    "epsz",
    "exfoliation_energy",
    "formation_energy_peratom",
    "kpoint_length_unit",
    "magmom_oszicar",
    "max_efg",
    "mbj_bandgap",
    "mepsx",
    "mepsy",
    "mepsz",
    "n_Seebeck",
    "n_powerfact",
    "optb88vdw_bandgap",
    "optb88vdw_total_energy",
    "ph_heat_capacity",
    "shear_modulus_gv",
    "slme",
    "spillage",
]
MATMINER = [
    "K_VRH",
    "G_VRH",
    "K_Voigt",
    "G_Voigt",
    "K_Reuss",
    "G_Reuss",
    "elastic_anisotropy",
    "poisson_ratio",
    "n",
    "eij_max",
    "e_above_hull",
]
MATERIALS_PROJECT = {
    "formation_energy_per_atom": "eV/atom",
    "band_gap": "eV",
    "fermi_energy": "eV",
    "total_magnetization": "mu_B",
    "bulk_modulus": "GPa",
    "shear_modulus": "GPa",
    "poisson_ratio": "",
}


def test_the_properties_of_the_materials_project_have_their_names_and_units() -> None:
    assert {name: load()[name].unit for name in MATERIALS_PROJECT} == MATERIALS_PROJECT
    assert all(load()[name].functional == "PBE" for name in MATERIALS_PROJECT)


@pytest.mark.parametrize("column", JARVIS)
def test_every_column_of_jarvis_is_known_and_no_pbe_property(column: str) -> None:
    assert get(column).functional in {"OptB88vdW", "TB-mBJ"}


@pytest.mark.parametrize("column", MATMINER)
def test_every_column_of_the_matminer_sets_is_known(column: str) -> None:
    assert get(column).functional == "PBE"


def test_another_functional_is_another_property() -> None:
    assert len({canonical(name) for name in ("gap pbe", "optb88vdw_bandgap", "mbj_bandgap")}) == 3
    assert canonical("formation_energy_peratom") != canonical("formation_energy_per_atom")


def test_what_was_measured_is_no_property_of_dft() -> None:
    gap, enthalpy = get("gap expt"), get("formation_enthalpy_measured")
    assert (gap.name, gap.unit, gap.functional) == ("band_gap_experimental", "eV", "measured")
    assert (enthalpy.name, enthalpy.unit, enthalpy.functional) == (
        "formation_enthalpy_experimental",
        "eV/atom",
        "measured",
    )
    assert gap.range[0] == 0


def test_moduli_are_learned_as_logarithms_of_positive_numbers() -> None:
    moduli = [found for found in load().values() if found.unit == "GPa" and not found.tensor]
    assert len(moduli) == 8
    assert all(found.transform == "log10" and found.range[0] > 0 for found in moduli)
    assert get("band_gap").transform == "none"


def test_names_and_aliases_lead_to_the_same_property() -> None:
    for name, found in load().items():
        assert found.name == name
        assert found.symbol
        assert found.description.endswith(".")
        assert all(canonical(alias) == name for alias in (name, *found.aliases))
        assert not any(math.isnan(limit) for limit in found.range)


def test_columns_in_another_unit_are_not_taken() -> None:
    for column in ("log10(K_VRH)", "e_form", "formation_energy"):
        with pytest.raises(UnknownNameError):
            canonical(column)


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean band_gap"):
        get("band_gaps")


def test_the_registry_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        load()["band_gap"] = get("fermi_energy")  # type: ignore[index]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: {symbol: A, unit: eV}\nb: {symbol: B, unit: eV, aliases: [a]}", "'a' names both a and b"),
        ("a: {symbol: A, unit: eV, aliases: [x, x]}", "'x' names both a and a"),
        ("a: {symbol: A, unit: eV, range: [2, 1]}", "runs from 2 to 1"),
        ("a: {symbol: A, unit: GPa, transform: log10, range: [0, 1]}", "cannot be learned as 'log10'"),
        ("a: {symbol: A, unit: GPa, transform: sqrt}", "cannot be learned as 'sqrt'"),
        ("a: {symbol: A, unit: eV, colour: red}", "cannot be read.*colour"),
        ("a: {symbol: A, unit: eV, follows_from: [[b]]}", "a follows from b, which is no property"),
        ("a: {symbol: A, unit: eV, follows_from: 3}", "cannot be read"),
        ("a: [", "cannot be read"),
        ("just words", "cannot be read"),
    ],
)
def test_a_faulty_list_is_refused(text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        parse(text)


def test_what_follows_from_other_properties_is_said_in_the_list() -> None:
    assert ("band_gap",) in origins("metal")
    assert origins("refractive_index") == (("dielectric_electronic",),)
    assert ("bulk_modulus", "shear_modulus") in origins("poisson_ratio")
    assert origins("fermi_energy") == origins("hardness") == ()
    for name in load():
        assert all(name not in group for group in origins(name))
