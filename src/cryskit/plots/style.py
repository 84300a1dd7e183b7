"""The common style of all figures: colours, axes, names with units, and files of figures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from cryskit.atomic_write import replacing
from cryskit.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.axes import Axes

    from cryskit.types import Property

INK, FAINT, GRID = "#22272e", "#6b7480", "#e3e6ea"
"""Colours of text and axes, of secondary text, and of grid lines."""
BLUE, ORANGE = "#2a6099", "#d5691e"
"""Colours of predictions and training, and of validation."""

FIGURES = (".png", ".pdf", ".svg")
"""Endings of the files that a figure can be written to."""

DENSITY = LinearSegmentedColormap.from_list("density", ["#b3cbe2", BLUE, "#0c2b49"])
"""Colours of the number of points in a cell of the plane, where there are too many to draw each."""

_DPI = 300
_GREEK = {"dH": r"\Delta H", "eps": r"\varepsilon", "eta": r"\eta", "nu": r"\nu", "omega": r"\omega"}
_UNITS = {"mu_B": "µ$_B$", "angstrom": "Å", "cm-1": "cm$^{-1}$", "m_0": "m$_0$"}
_POWERS = {"C/m2": "C/m²", "uV/K": "µV/K", "uW/(m K2)": "µW/(m K²)", "1e21 V/m2": "10²¹ V/m²"}


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure whose parts are laid out automatically.

    Args:
        width: Width of the figure in inches.
        height: Height of the figure in inches.
    """
    figure = Figure(figsize=(width, height), dpi=_DPI, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def plain_axes(axes: Axes) -> None:
    """Remove the upper and right frame of axes, and set the colours and sizes of the rest.

    Args:
        axes: The axes, changed in place.
    """
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(FAINT)
    axes.tick_params(which="both", colors=FAINT, labelcolor=INK, labelsize=9)
    axes.xaxis.label.set(color=INK, size=10)
    axes.yaxis.label.set(color=INK, size=10)
    axes.set_axisbelow(True)


def save(figure: Figure, path: Path) -> None:
    """Write a figure as a file, whole or not at all; pixels are at 300 per inch.

    Args:
        figure: The figure.
        path: File whose ending, one of FIGURES, says the format.
    """
    kind = path.suffix.lower()
    if kind not in FIGURES:
        raise DataError(f"{path.name} is no file of a figure", f"Let its name end in {' or '.join(FIGURES)}")
    with replacing(path) as temporary:
        figure.savefig(temporary, format=kind[1:], dpi=_DPI)


def symbol(prop: Property) -> str:
    """Return the symbol of a property as mathematical text, for example K_VRH with an upright subscript.

    Args:
        prop: The property.
    """
    base, _, rest = prop.symbol.partition("_")
    if prop.symbol == prop.name or not base.isalpha():
        return ""
    base = base if len(base) < 3 else _GREEK.get(base, rf"\mathrm{{{base}}}")
    below, _, note = rest.partition(" ")
    below = r"\infty" if below == "inf" else rf"\mathrm{{{below}}}"
    return f"${_GREEK.get(base, base)}{f'_{{{below}}}' if rest else ''}$ {note}".rstrip()


def unit(prop: Property) -> str:
    """Return the unit of a property in typeset form, "" if it has none.

    Args:
        prop: The property.
    """
    return (_UNITS | _POWERS).get(prop.unit, prop.unit)


def title(name: str) -> str:
    """Return a registry name as words, for example "Bulk modulus".

    Args:
        name: The registry name.
    """
    words = name.replace("_", " ").strip()
    return words[:1].upper() + words[1:]
