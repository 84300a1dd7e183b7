"""Young's modulus by direction as a surface that can be turned around: one HTML page that needs nothing else.

The page carries its own code and forbids the browser to load anything (content security policy).
"""

from __future__ import annotations

import json
from html import escape
from importlib.resources import files
from string import Template
from typing import TYPE_CHECKING

import numpy as np

from cryskit.atomic_write import replacing
from cryskit.plots.young import raise_if_unstable
from cryskit.tensors.elastic import directional_young, moduli

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import ArrayLike

_POLAR, _AROUND = 37, 72  # points of the surface


def write_young_page(stiffness: ArrayLike, path: Path, *, of: str = "") -> None:
    """Write the page, whole or not at all.

    Args:
        stiffness: (6, 6), the stiffness in Voigt notation, in GPa.
        path: The HTML file to write.
        of: Words in the title that name the crystal and the frame: "SiO2, IEEE frame".

    Raises:
        DataError: The stiffness has another shape, or is not positive definite.
    """
    text = young_page(stiffness, of=of)
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def young_page(stiffness: ArrayLike, *, of: str = "") -> str:
    """Return the page: the distance of the surface from the centre is Young's modulus along that direction.

    Args:
        stiffness: (6, 6), the stiffness in Voigt notation, in GPa.
        of: Words in the title that name the crystal and the frame.

    Raises:
        DataError: The stiffness has another shape, or is not positive definite.
    """
    raise_if_unstable(stiffness)
    polar, around = np.linspace(0, np.pi, _POLAR), np.arange(_AROUND) * 2 * np.pi / _AROUND
    theta, phi = np.meshgrid(polar, around, indexing="ij")
    directions = np.stack([np.sin(theta) * np.cos(phi), np.sin(theta) * np.sin(phi), np.cos(theta)], axis=-1)
    values = directional_young(stiffness, directions.reshape(-1, 3)).reshape(_POLAR, _AROUND)
    mean = float(moduli(stiffness).young)
    surface = json.dumps([[float(f"{value:.5g}") for value in row] for row in values], allow_nan=False)
    return Template(files("cryskit").joinpath("plots", "young.html").read_text(encoding="utf-8")).substitute(
        title=escape(f"Young's modulus by direction{f': {of}' if of else ''}"),
        range=f"{values.min():.4g} to {values.max():.4g} GPa; {mean:.4g} GPa in a polycrystal (Hill)",
        surface=surface,
    )
