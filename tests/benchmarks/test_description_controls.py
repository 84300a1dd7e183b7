"""The controls of what words add leave out what they say, and nothing else."""

from __future__ import annotations

import pandas as pd

from benchmarks.studies.description_controls import VARIANTS

TABLE = pd.DataFrame(
    [
        (
            "a",
            "NaCl is Halite, Rock Salt structured and crystallizes in the cubic Fm-3m space group.",
            "Na(1) is bonded.",
        ),
        (
            "b",
            "C crystallizes in the hexagonal P6_3/mmc space group. The structure is two-dimensional.",
            "C(1) is bonded.",
        ),
        ("c", "Fe crystallizes in the cubic Im-3m space group. The cell holds 2 atoms.", None),
    ],
    columns=["id", "global", "local"],
)


def test_what_names_structure_and_symmetry_is_struck_out() -> None:
    struck = VARIANTS["struck"](TABLE)
    assert list(struck["global"]) == ["NaCl.", "C. The structure is two-dimensional.", "Fe. The cell holds 2 atoms."]
    assert struck["local"].equals(TABLE["local"])


def test_a_part_is_left_alone() -> None:
    assert VARIANTS["global"](TABLE)["local"].isna().all()
    assert VARIANTS["global"](TABLE)["global"].equals(TABLE["global"])
    assert VARIANTS["local"](TABLE)["global"].isna().all()
    assert VARIANTS["local"](TABLE)["local"].equals(TABLE["local"])


def test_shuffled_descriptions_are_whole_and_nobody_keeps_their_own() -> None:
    shuffled = VARIANTS["shuffled"](TABLE)
    assert (shuffled["id"] == TABLE["id"]).all()
    assert (shuffled["global"] != TABLE["global"]).all()
    assert set(map(tuple, shuffled[["global", "local"]].to_numpy())) == set(
        map(tuple, TABLE[["global", "local"]].to_numpy())
    )
