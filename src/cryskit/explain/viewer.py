"""Structures coloured by atom contribution, for chemiscope (Fraux, Cersonsky and Ceriotti 2020, doi 10.21105/joss.02117)."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, distribution
from importlib.resources import files
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from cryskit.errors import ModelError
from cryskit.explain.scene import scene

if TYPE_CHECKING:
    from collections.abc import Mapping

_PROPERTY, _SHAPE = "contribution", "polyhedra"


class Viewer(NamedTuple):
    """The program that draws structures in a browser.

    Attributes:
        code: JavaScript that defines `Chemiscope`.
        licence: Text of the licence under which it may be passed on.
    """

    code: str
    licence: str


def viewer() -> Viewer:
    """Return the viewer that comes in chemiscope's wheel.

    Raises:
        ModelError: Chemiscope is not installed.
    """
    try:
        package = distribution("chemiscope")
        folder = files("chemiscope")
    except (PackageNotFoundError, ImportError) as error:
        raise ModelError(
            "The page of an explanation needs chemiscope",
            "pip install 'cryskit[explain]', or write a .json file",
        ) from error
    code = folder.joinpath("sphinx/static/chemiscope.min.js").read_text(encoding="utf-8")
    bundled = folder.joinpath("static/chemiscope-widget.mjs.LICENSE.txt").read_text(encoding="utf-8")
    own = package.read_text("licenses/LICENSE") or package.read_text("LICENSE") or "BSD-3-Clause"
    return Viewer(code, f"chemiscope {package.version}\n\n{own}\nIt bundles:\n\n{bundled}")


def drawing(row: Mapping[str, Any], space: str) -> dict[str, Any]:
    """Return the input of chemiscope for one crystal.

    White atoms are those that contribute what a mean element would, blue ones less, red ones more; a polyhedron has the colour of the atom in it.

    Args:
        row: Explanation of the crystal, a row of a document.
        space: Unit of the contributions.
    """
    import chemiscope  # noqa: PLC0415

    dataset: dict[str, Any] = chemiscope.create_input(
        **_drawn(row, space), metadata={"name": " "}
    )  # the page says what it is
    return dataset


def widget(row: Mapping[str, Any], space: str) -> Any:
    """Return chemiscope's widget of one crystal for a notebook, coloured as `drawing` says.

    Args:
        row: Explanation of the crystal, a row of a document.
        space: Unit of the contributions.

    Raises:
        ModelError: Chemiscope is not installed.
    """
    viewer()
    import chemiscope  # noqa: PLC0415

    return chemiscope.show(**_drawn(row, space), metadata={"name": str(row["id"])}, mode="structure")


def _drawn(row: Mapping[str, Any], space: str) -> dict[str, Any]:
    """Return the arguments by which chemiscope draws one crystal."""
    import chemiscope  # noqa: PLC0415

    structure = row["structure"]
    drawn = scene(row["atoms"]["element"], np.array(structure["lattice"]), np.array(structure["fractional"]))
    low, _, high = scale(row)
    color = {"property": _PROPERTY, "palette": "bwr", "min": low, "max": high}
    shown = {"unitCell": True, "bonds": True, "atomLabels": True, "color": color, "environments": {"activated": False}}
    values = np.array(row["atoms"]["contribution"])[drawn.origin].tolist()
    shapes = {}
    if drawn.has_polyhedra:
        shown["shape"] = _SHAPE
        meshes = [
            {**mesh, "color": _colour((value - low) / (high - low))}
            for mesh, value in zip(drawn.polyhedra, values, strict=True)
        ]
        shapes = {"shapes": {_SHAPE: {"kind": "custom", "parameters": {"global": {}, "atom": meshes}}}}
    return {
        "structures": [drawn.atoms],
        "properties": {_PROPERTY: {"target": "atom", "values": values, "units": space}},
        "environments": chemiscope.all_atomic_environments([drawn.atoms]),
        "settings": {"target": "structure", "structure": [shown]},
        **shapes,
    }


def scale(row: Mapping[str, Any]) -> tuple[float, float, float]:
    """Return the contributions that are drawn blue, white and red.

    Args:
        row: Explanation of the crystal, a row of a document.
    """
    neutral = row["base"] / len(row["atoms"]["element"])
    spread = max(float(np.abs(row["atoms"]["attribution"]).max()), 1e-9)
    return neutral - spread, neutral, neutral + spread


def _colour(share: float) -> str:
    """Return the colour of a share of the way from blue over white to red, pale, as "#rrggbb"."""
    end = np.array([255, 0, 0]) if share > 0.5 else np.array([0, 0, 255])
    strength = min(abs(2 * share - 1), 1.0)
    red, green, blue = (255 + strength * (end - 255)).round().astype(int)
    return f"#{red:02x}{green:02x}{blue:02x}"
