"""What the reader tests share: a rock-salt CIF with parts to exchange, random crystals, and when two are the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

import gemmi
import numpy as np
from hypothesis import strategies as st

from cryskit.types import Crystal, Failure

if TYPE_CHECKING:
    from collections.abc import Iterable

FM3M = tuple(op.triplet() for op in gemmi.find_spacegroup_by_name("F m -3 m").operations())
CUBIC = (5.64, 5.64, 5.64, 90, 90, 90)
CELL = ("length_a", "length_b", "length_c", "angle_alpha", "angle_beta", "angle_gamma")
HEADS = ("label", "type_symbol", "fract_x", "fract_y", "fract_z", "occupancy")
SALT = ("Na1 Na 0 0 0 1", "Cl1 Cl 0.5 0.5 0.5 1")


def cif(
    sites: Iterable[str] = SALT,
    *,
    cell: Iterable[object] = CUBIC,
    operations: Iterable[str] = FM3M,
    symmetry: str = "",
    heads: Iterable[str] = HEADS,
    name: str = "NaCl",
) -> str:
    """Return a CIF; `symmetry` stands in for the loop of operations where there are none."""
    lines = [f"data_{name}", *(f"_cell_{key} {value}" for key, value in zip(CELL, cell, strict=True))]
    loop = [f"'{operation}'" for operation in operations]
    lines += ["loop_", "_symmetry_equiv_pos_as_xyz", *loop] if loop else [symmetry]
    return "\n".join([*lines, "loop_", *(f"_atom_site_{head}" for head in heads), *sites, ""])


def p1(*sites: str, cell: Iterable[object] = CUBIC) -> str:
    """Return a CIF without symmetry."""
    return cif(sites, cell=cell, operations=["x,y,z"])


def same(crystal: Crystal | Failure, other: Crystal | Failure, tolerance: float = 1e-6) -> bool:
    """Return whether two crystals have one lattice and the same atoms in any order, coordinates modulo one."""
    assert isinstance(crystal, Crystal), crystal
    assert isinstance(other, Crystal), other
    if len(crystal) != len(other) or np.abs(crystal.lattice - other.lattice).max() > tolerance:
        return False
    apart = crystal.fractional[:, None] - other.fractional
    near = (np.abs(apart - np.rint(apart)) < tolerance).all(-1) & (crystal.numbers[:, None] == other.numbers)
    return bool((near.sum(0) == 1).all() and (near.sum(1) == 1).all())


@st.composite
def crystals(draw: st.DrawFn) -> Crystal:
    """Draw a crystal of up to six atoms on a jittered grid, so that no two are near."""
    lengths = [draw(st.floats(4.0, 9.0)) for _ in range(3)]
    tilts = [draw(st.floats(-1.0, 1.0)) for _ in range(3)]
    lattice = np.diag(lengths) + np.array([[0, 0, 0], [tilts[0], 0, 0], [tilts[1], tilts[2], 0]])
    places = draw(st.lists(st.tuples(*[st.integers(0, 2)] * 3), min_size=1, max_size=6, unique=True))
    jitter = np.array([[draw(st.floats(-0.05, 0.05)) for _ in range(3)] for _ in places])
    numbers = [draw(st.integers(1, 94)) for _ in places]
    targets = {"band_gap": draw(st.floats(0, 9))} if draw(st.booleans()) else {}
    return Crystal("drawn", lattice, np.array(places) / 3 + jitter, np.array(numbers), targets=targets)
