"""The standard frame of a crystal, in which published tensors are given (IEEE Std 176-1987, doi 10.1109/IEEESTD.1988.79638).

    cubic                   x, y, z along a, b, c
    tetragonal              z along c, the fourfold axis; x along a
    trigonal, hexagonal     z along c, the threefold or sixfold axis; x along a
    orthorhombic            x, y, z along a, b, c, named so that c < a < b
    monoclinic              y along b, the twofold axis or the normal of the mirror; z along c; c < a, the shortest normal to b; beta obtuse
    triclinic               z along c, y normal to a and c; c < a < b, the shortest; alpha and beta obtuse

Every frame is right-handed. Where several choices of axes fit, as between the directions a and -a of a trigonal crystal, the
standardised cell of moyo decides; components such as c14 and c16 may then have the other sign. The senses that the standard
takes from a measured piezoelectric constant are not determined.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from cryskit.symmetry import TOLERANCE, detect, system_of

if TYPE_CHECKING:
    from cryskit.types import Crystal


def ieee_rotation(crystal: Crystal, tolerance: float = TOLERANCE) -> np.ndarray:
    """Return the rotation from the frame of a crystal's lattice to the standard frame, (3, 3) float64.

    Its rows are the axes x, y, z of the standard frame; `rotate(tensor, rotation, rank)` gives the tensor in that frame. A crystal
    whose symmetry cannot be found counts as triclinic.

    Args:
        crystal: The crystal.
        tolerance: Largest distance between an atom and the image of another one under an operation, in angstrom.
    """
    found = detect(crystal, tolerance)
    if found is None:
        vectors, system = crystal.lattice, 0
    else:
        vectors, system = np.array(found.std_linear).T @ crystal.lattice, system_of(int(found.number))
    axes = _AXES[system](vectors)
    left, _, right = np.linalg.svd(axes)
    nearest: np.ndarray = left @ right
    return nearest


def _triclinic(vectors: np.ndarray) -> np.ndarray:
    """Return x, y, z from the three shortest translations that span the lattice."""
    a, b, c = _named_by_length(_reduced(vectors))
    a, b = _obtuse(a, c), _obtuse(b, c)
    if np.linalg.det([a, b, c]) < 0:
        a, b, c = -a, -b, -c
    z, y = _unit(c), _unit(np.cross(c, a))
    return np.array([np.cross(y, z), y, z])


def _monoclinic(vectors: np.ndarray) -> np.ndarray:
    first, b, second = vectors
    c, a = sorted(_reduced(np.array([first, second])), key=_length)
    a = _obtuse(a, c)
    if np.linalg.det([a, b, c]) < 0:
        b = -b
    y, z = _unit(b), _unit(c)
    return np.array([np.cross(y, z), y, z])


def _orthorhombic(vectors: np.ndarray) -> np.ndarray:
    a, _, c = _named_by_length(vectors)
    return _from_z_and_x(c, a)


def _along_c(vectors: np.ndarray) -> np.ndarray:
    a, _, c = vectors
    return _from_z_and_x(c, a)


_AXES = (_triclinic, _monoclinic, _orthorhombic, _along_c, _along_c, _along_c, _along_c)  # by crystal system


def _from_z_and_x(along_z: np.ndarray, along_x: np.ndarray) -> np.ndarray:
    z, x = _unit(along_z), _unit(along_x)
    return np.array([x, np.cross(z, x), z])


def _named_by_length(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return a, b, c so that c < a < b."""
    c, a, b = sorted(vectors, key=_length)
    return a, b, c


def _reduced(vectors: np.ndarray) -> np.ndarray:
    """Return translations that span the same lattice and cannot be shortened by adding others of them."""
    found = vectors.copy()
    others = np.array(list(product((-1, 0, 1), repeat=len(vectors) - 1)))
    for _ in range(100):
        before = found.copy()
        for place in range(len(found)):
            tried = found[place] + others @ np.delete(found, place, axis=0)
            lengths = np.linalg.norm(tried, axis=1)
            if lengths.min() < (1 - 1e-9) * _length(found[place]):
                found[place] = tried[lengths.argmin()]
        if np.array_equal(before, found):
            break
    return found


def _obtuse(vector: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return a vector in the sense that makes its angle with another one obtuse."""
    return vector if vector @ other <= 0 else -vector


def _unit(vector: np.ndarray) -> np.ndarray:
    return vector / _length(vector)


def _length(vector: np.ndarray) -> float:
    return float(np.linalg.norm(vector))
